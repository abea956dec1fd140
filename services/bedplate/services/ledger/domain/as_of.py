"""A time at which books are looked at."""

import enum
from dataclasses import dataclass


class Axis(enum.IntEnum):
    """Which time of a transaction counts; the numbers are those of the contract."""

    CREATED = 1
    EFFECTIVE = 2


@dataclass(frozen=True, slots=True)
class AsOf:
    """Books as of a time: transactions of that time and before count."""

    time_us: int
    axis: Axis = Axis.CREATED
