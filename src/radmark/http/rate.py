"""How often somebody may ask."""

import time

from radmark.http.errors import Refused

_MOST = 10_000  # who asked last; more are forgotten, and start anew


class Rate:
    """A bucket for each who asks, asked from one event loop.

    Args:
        per_second: what fills it.
        burst: what it holds.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Take one.

        Raises:
            Refused: there is none.
        """
        time_s = time.monotonic()
        level, at = self._buckets.get(who, (self._burst, time_s))
        level = min(self._burst, level + (time_s - at) * self._per_second)
        if level < 1:
            wait_s = max(1, round((1 - level) / self._per_second))
            headers = {"retry-after": str(wait_s)}
            raise Refused(429, "too many changes at once", f"Try again in {wait_s} s", headers=headers)
        if len(self._buckets) >= _MOST:
            self._buckets.clear()
        self._buckets[who] = level - 1, time_s
