"""One attempt at a unit of work, which is a plain function and must stop at every statement.

It cannot await, so it is left by an exception at the first statement whose turn
has not come, and run again from its beginning when it has: statements that were
answered before get the same answers. Units of work may run several times
anyway; one that cannot is found here.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from bedplate.testing.simulate.connection import Connections
from bedplate.testing.simulate.fault import SimulationError
from bedplate.testing.simulate.versions import SAVEPOINTS, Outcome, Parameters

T = TypeVar("T")

# Answers a statement at once, or with None: not now.
Ask = Callable[[str, Parameters], Outcome | None]

_ENDED = "a unit of work neither commits nor rolls back: it returns or raises"


class Suspended(BaseException):
    """The unit of work is left until a statement has been answered."""


class Attempt:
    """One attempt.

    Attributes:
        text: The statement that waits for its answer.
        parameters: Its values.
    """

    def __init__(self, connections: Connections, ask: Ask) -> None:
        self._connections = connections
        self._connection: sa.Connection | None = None
        self._ask = ask
        self._log: list[tuple[str, Parameters, Outcome]] = []
        self._at = 0
        self._left = False
        self._nested = False  # a connection numbers its savepoints: the next run needs a new one
        self.text = ""
        self.parameters: Parameters = ()

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run the work as far as it gets.

        Raises:
            Suspended: It waits for the answer to `text`.
            SimulationError: It did something else than the last time.
        """
        connection = self._connection
        if connection is None or connection.invalidated or self._nested:
            if connection is not None:
                connection.close()
            connection = self._connection = self._connections.connect(self._run)
        self._at, self._left, self._nested = 0, False, False
        transaction = connection.begin()
        try:
            result = work(connection)
            if self._left:
                raise SimulationError("a unit of work caught BaseException and went on")
            if self._at < len(self._log):
                raise _differs(self._log[self._at][0], "and has ended before it")
            assert transaction.is_active, _ENDED
        finally:
            self._left = True
            if not connection.invalidated:
                connection.rollback()
        return result

    def answer(self, outcome: Outcome) -> None:
        """The answer to the statement that waits."""
        self._log.append((self.text, self.parameters, outcome))

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._left = True
            self._connection.close()

    def _run(self, text: str, parameters: Parameters) -> Outcome:
        if self._left:
            return Outcome()  # savepoints and the like that are left, too
        self._nested |= text.startswith(SAVEPOINTS)
        if self._at < len(self._log):
            known_text, known_parameters, outcome = self._log[self._at]
            if known_text != text or known_parameters != parameters:
                raise _differs(known_text, f"and now {text} with {_short(parameters)}", known_parameters)
            self._at += 1
            return outcome
        self.text, self.parameters = text, parameters
        answer = self._ask(text, parameters)
        if answer is None:
            self._left = True
            raise Suspended
        self._log.append((text, parameters, answer))
        self._at += 1
        return answer


def _differs(text: str, instead: str, parameters: Any = ()) -> SimulationError:
    return SimulationError(
        "a unit of work must do the same when it is run again (ids and times come from outside): "
        f"it asked {text} with {_short(parameters)} {instead}"
    )


def _short(parameters: Parameters) -> str:
    text = repr(parameters)
    return text if len(text) <= 200 else f"{text[:200]}..."
