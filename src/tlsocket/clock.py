"""The one door to the time: everything that needs a date or a deadline asks here, so that tests can hold the clock.

`now` is for what is compared with dates made elsewhere (validity of certificates, age of tickets); `monotonic` is for
deadlines. No caller imports `time` for either. Waiting and formatting of dates do not belong here.
"""

from __future__ import annotations

import time

__all__ = ["monotonic", "now"]


def now() -> float:
    """Seconds since 1970 in UTC, as the machine believes."""
    return time.time()


def monotonic() -> float:
    """Seconds since an arbitrary moment; never goes backwards."""
    return time.monotonic()
