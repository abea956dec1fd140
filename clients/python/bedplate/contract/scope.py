"""The call that the current task works for, as far as lower layers need it.

The pipeline sets it for each call it runs. `bedplate.data` reads the deadline
and writes the pending records; `bedplate.client` hands deadline, trace and
tenant on to the next hop.
"""

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Work = Callable[[Any], T]


class Attempt(Protocol):
    """Keeps the outcome of a call, for those who repeat it, with what the call changes."""

    async def transact(self, work: Work[T], run: Callable[[Work[T]], Awaitable[T]]) -> T:
        """Run a unit of work in a transaction, with the outcome in it; `run` is what runs it."""
        ...


class Scope(Protocol):
    """What lower layers see of a call.

    Attributes:
        deadline: When the work must end, on the `time.monotonic` clock, seconds.
            Infinite only where the method's deadline is observed and not kept
            yet and the caller named none.
        outbound_deadline: What the calls that it makes must keep to, the same
            clock: the deadline, where it is kept; infinite where it is only observed.
        pending: Functions of a database connection that write the call's own
            records (audit, outbox). `transact` runs them on the
            same connection just before it commits.
        outcome: What `transact` runs the call's units of work through; None: nothing.
        traceparent: The W3C trace context to hand on, or an empty string.
        credential: The verified caller's own credential (the `authorization`
            value), which a client that was told to hands on to the next
            service; empty for none.
        criticality: How much the call matters: `critical`, `default` or
            `sheddable`; empty where nobody asked. What it calls matters no more.
    """

    deadline: float
    pending: list[Callable[[Any], None]]

    @property
    def outcome(self) -> Attempt | None:
        """What the call's units of work run through; None: nothing."""
        ...

    @property
    def outbound_deadline(self) -> float:
        """What the calls that it makes must keep to, `time.monotonic` seconds."""
        ...

    @property
    def traceparent(self) -> str:
        """The W3C trace context to hand on, or an empty string."""
        ...

    @property
    def credential(self) -> str:
        """The caller's own `authorization` value, or an empty string."""
        ...

    @property
    def caller(self) -> tuple[tuple[str, str], ...]:
        """Metadata that tells a peer who trusts this process for whom it calls; empty for nobody."""
        ...

    @property
    def criticality(self) -> str:
        """How much the call matters, or an empty string."""
        ...


CURRENT: ContextVar[Scope | None] = ContextVar("bedplate_call", default=None)


def remaining_s(*, now: float | None = None) -> float | None:
    """Seconds that the current call may still spend on others; None outside a call.

    May be negative, and infinite where the call has no deadline to hand on.
    """
    scope = CURRENT.get()
    if scope is None:
        return None
    return scope.outbound_deadline - (time.monotonic() if now is None else now)
