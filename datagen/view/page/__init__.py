"""The local page over a run.

``slim`` and ``index`` find samples, ``material`` draws them, ``live`` follows the run and its decisions; ``exchange``
is what page and browser tell each other, ``asking`` lends the validator, ``guard`` keeps strangers out, ``server``
answers, ``serving`` listens; ``static/`` is what a browser loads.
"""

from __future__ import annotations
