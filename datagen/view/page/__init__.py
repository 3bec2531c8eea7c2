"""The local web page over a run, with its pictures, samples, filters and decisions by hand.

``index`` finds samples, ``live_run`` draws them, follows the run and its decisions;
``messages`` is what page and browser tell each other, ``questions`` lends the validator, ``request_guard`` keeps
strangers out, ``server`` listens and answers; ``static/`` is what a browser loads.
"""

from __future__ import annotations
