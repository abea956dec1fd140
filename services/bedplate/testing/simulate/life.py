"""What ends with a process: its tasks and its connections."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class Life:
    """A process from its start to its crash.

    Attributes:
        over: Whether it has crashed.
        tasks: All tasks that it made, those included that its tasks made.
        at_end: Run when it crashes: what others do when its connections break.
    """

    def __init__(self) -> None:
        self.over = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.at_end: list[Callable[[], None]] = []

    def end(self) -> None:
        """Crash."""
        self.over = True
        for action in self.at_end:
            action()
        for task in self.tasks:
            task.cancel()


# The life that the current task belongs to; None: it belongs to no process and never crashes.
LIFE: ContextVar[Life | None] = ContextVar("simulated_life", default=None)
