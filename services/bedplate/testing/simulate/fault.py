"""What ends a run."""


class SimulationError(Exception):
    """A run cannot go on: the scenario did what no scenario may, or does not end."""


class DeadlockError(SimulationError):
    """Nothing is ready, no timer runs, and the scenario has not ended."""


class LimitError(SimulationError):
    """The scenario takes more virtual time, or more steps, than it may."""


class LeakError(SimulationError):
    """The scenario has ended and left tasks behind, or exceptions that nobody looked at."""


class Unreachable(Exception):  # noqa: N818 - what a caller sees of it, not a mistake of its own
    """No answer: what was asked may have happened, or not, or happen yet."""
