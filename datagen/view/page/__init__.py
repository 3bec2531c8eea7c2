"""The local page over a run.

``list_rows`` and ``index`` find samples, ``live_run`` draws them, follows the run and its decisions;
``messages`` is what page and browser tell each other, ``questions`` lends the validator, ``request_guard`` keeps
strangers out, ``server`` answers, ``listen`` listens; ``static/`` is what a browser loads.
"""

from __future__ import annotations
