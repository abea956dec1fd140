"""What a worker thread needs of a database, whichever it is."""

from typing import Protocol

import sqlalchemy as sa

from bedplate.data.fault import Verdict


class Session(Protocol):
    """One connection, used by one worker thread.

    Attributes:
        connection: What units of work get.
        cancel_every_s: How often a cancel is repeated until the thread returns:
            one that falls between two statements stops neither.
        cancels_commit: Whether a commit may be cancelled too, once it is late,
            and its answer still tells what happened.
    """

    connection: sa.Connection
    cancel_every_s: float
    cancels_commit: bool

    def begin(self, left_s: float, *, write: bool, serializable: bool) -> sa.RootTransaction:
        """Begin a transaction whose statements end after `left_s` seconds at the latest."""
        ...

    def commit(self, transaction: sa.RootTransaction) -> None:
        """Commit.

        Raises:
            RuntimeError: The transaction had failed and the work went on regardless.
        """
        ...

    def clean(self) -> bool:
        """Leave whatever transaction is open; False when the connection is of no further use."""
        ...

    def verdict(self, error: BaseException, *, write: bool, committing: bool = False) -> Verdict:
        """What an error of this connection means."""
        ...

    def cancel(self) -> None:
        """Stop the running statement. Called from another thread."""
        ...

    def kill(self) -> bool:
        """Cut the connection when cancelling did not help; False when there is nothing to cut.

        Called from another thread.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Driver(Protocol):
    """Opens sessions.

    Attributes:
        errors: What `connect` may raise when the database does not answer.
    """

    errors: tuple[type[Exception], ...]

    def connect(self) -> Session:
        """Open a connection; raises the driver's exception when that fails."""
        ...
