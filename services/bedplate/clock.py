"""What time it is, for people and tables. Durations use `time.monotonic`."""

import time
from collections.abc import Callable

# A clock tells UTC as whole microseconds since 1970-01-01. Code that needs the
# time takes one, so that a test can set it.
Clock = Callable[[], int]


def now_us() -> int:
    """The system's time, microseconds since 1970-01-01 UTC. May go backwards."""
    return time.time_ns() // 1000
