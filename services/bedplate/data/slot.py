"""The connection of one worker thread, and the lock under which others may touch it."""

import threading

from bedplate.data import fault
from bedplate.data.session import Driver, Session


class Slot:
    """A place in which one unit of work runs at a time.

    Attributes:
        session: The open connection, or None.
        touching: Held by whoever cancels or cuts the connection from outside.
            The thread takes it before it rolls back and before it goes on to
            its next unit, so that neither can be hit by what was meant for the
            last one.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.session: Session | None = None
        self.touching = threading.Lock()

    def open(self) -> Session:
        """The connection; made anew when there is none.

        Raises:
            Refusal: DEPENDENCY_UNAVAILABLE.
        """
        if self.session is None:
            try:
                self.session = self._driver.connect()
            except self._driver.errors as error:
                raise fault.unavailable(error, "connecting") from error
        return self.session

    def discard(self) -> None:
        """Close the connection, if there is one."""
        session, self.session = self.session, None
        if session is not None:
            session.close()
