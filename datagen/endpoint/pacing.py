"""How fast requests may follow each other: an even flow, and the pace that an endpoint's refusals teach."""

from __future__ import annotations

import math

SLACK_S = 0.02  # what a late timer may catch up
REFUSED_SHARE = 0.05  # refusals rarer than this concern their own requests, not the pace
SIGMAS = 3.0  # by which refusals must exceed that share before they count as frequent
MIN_REFUSALS = 3
MOSTLY_REFUSED = 0.5  # then all wait for as long as the endpoint asks
MAX_PAUSE_S = 600.0

WINDOW_S = 1.0
MIN_ACCEPTED = 5  # in half a window, before it counts as measured
FIRST_PACE = 8.0  # requests per second, after a refusal before anything is known
BACK_OFF = 0.95  # of the pace at which the endpoint accepted
RECOVERY_S = 3.0  # until the pace is where it was refused; it grows slowly around that point, fast beyond it
RECOVERY_REQUESTS = 40  # or the time that so many take, if that is longer
MAX_IN_VAIN = 3  # lowerings without effect, after which refusals are borne


class Pace:
    """An even flow of units; a large request is let through at once and paid off afterwards.

    Args:
        per_s: Units per second; None lets everything through.
    """

    def __init__(self, per_s: float | None = None) -> None:
        self.per_s = per_s
        self._free_at = -math.inf

    def wait_s(self, now: float) -> float:
        """How long until the next request may go."""
        return 0.0 if self.per_s is None else max(0.0, self._free_at - now)

    def take(self, now: float, n_units: float) -> None:
        """Count units that go now; negative ones give back what was reserved in vain."""
        if self.per_s is not None:
            self._free_at = max(self._free_at, now - SLACK_S) + n_units / self.per_s


class LearntPace:
    """The pace that the endpoint bears, learnt from its refusals.

    A request that was not refused was accepted, however long its answer takes: what was sent less what was refused,
    per second, is what the endpoint bears. After frequent refusals that pace is gone back to, and left
    again along a cubic (RFC 9438's idea: slow near the known limit, fast far from it). Refusals that do not
    become fewer when the pace is lowered do not depend on it, and are borne.
    """

    def __init__(self) -> None:
        self._n_sent = self._n_refused = 0.0
        self._since = -math.inf  # when counting began
        self._cut_at = self.grows_from = -math.inf
        self._pace = Pace()
        self._known: float | None = None  # requests per second that were accepted when it last refused
        self._is_guess = False
        self._tolerated = REFUSED_SHARE
        self._n_in_vain = 0
        self._share_before = self._accepted_before = 0.0

    def count_sent(self, now: float) -> None:
        """One more request goes out; what is long past is forgotten by halves."""
        if self._since == -math.inf:
            self._since = now
        if now - self._since > 2 * WINDOW_S and self._n_sent >= 40:
            self._since = now - (now - self._since) / 2
            self._n_sent, self._n_refused = self._n_sent / 2, self._n_refused / 2
        self._n_sent += 1

    def is_slowed_by(self, sent_at: float, now: float, retry_after_s: float) -> bool:
        """Count a refusal; True when it lowers the pace. Those sent before the last change say nothing of it."""
        if sent_at <= self._cut_at:
            return False
        self._n_refused += 1
        expected = self._tolerated * self._n_sent
        if self._n_refused < MIN_REFUSALS or self._n_refused <= expected + SIGMAS * math.sqrt(expected):
            return False
        share = self._n_refused / self._n_sent
        self._slow_down(now, share, retry_after_s)
        hold_s = min(retry_after_s, MAX_PAUSE_S) if share >= MOSTLY_REFUSED else 0.0
        self._cut_at, self.grows_from = now, now + hold_s
        self._since = self.grows_from
        self._n_sent = self._n_refused = 0.0
        return True

    def _slow_down(self, now: float, share: float, retry_after_s: float) -> None:
        elapsed_s, n_accepted = now - self._since, self._n_sent - self._n_refused
        self._is_guess = elapsed_s < WINDOW_S / 2 or n_accepted < MIN_ACCEPTED  # too early to have measured anything
        if not self._is_guess:
            accepted = n_accepted / elapsed_s
            is_in_vain = share > 0.7 * self._share_before and accepted < 0.93 * self._accepted_before
            self._n_in_vain = self._n_in_vain + 1 if is_in_vain else 0
            self._share_before, self._accepted_before = share, accepted
        if self._n_in_vain == MAX_IN_VAIN:
            self._tolerated, self._known, self._pace.per_s = min(0.5, 2 * share), None, None
            self._n_in_vain = 0
        elif not self._is_guess:
            self._known = accepted
        elif self._known is not None:
            self._known *= max(0.5, 1 - share)
        else:
            asked = 1 / retry_after_s if retry_after_s else 0.0
            self._known = max(FIRST_PACE, asked, n_accepted / max(elapsed_s, WINDOW_S / 2))

    def pace(self, now: float) -> Pace:
        """The pace as it is now."""
        if self._known is not None:
            past_s = max(0.0, now - self.grows_from)
            if self._is_guess:
                growth = 4 ** min(past_s * min(1.0, self._known / FIRST_PACE), 5.0) - 1
            else:
                growth = (1 - BACK_OFF) * (past_s / max(RECOVERY_S, RECOVERY_REQUESTS / self._known) - 1) ** 3
            self._pace.per_s = max(0.1, self._known * (1 + min(growth, 1000.0)))
        return self._pace
