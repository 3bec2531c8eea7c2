"""The local page over a run.

``index`` finds samples, ``live`` follows the run and its decisions, ``asking`` lends the
validator, ``guard`` keeps strangers out, ``server`` answers, ``serving`` listens; ``static/`` is what a browser loads.
"""

from __future__ import annotations
