"""What a stage is made of."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from bedplate.auth.principal import Authenticator
from bedplate.cache import Answers
from bedplate.pipeline.call import Call
from bedplate.pipeline.expiry import Expiry
from bedplate.pipeline.load.load import Load
from bedplate.pipeline.timing import Timings
from bedplate.policy.live import Live
from bedplate.quota.quota import Quota
from bedplate.records.audit import Audit
from bedplate.records.outcomes import Outcomes
from bedplate.records.relations import Relations

if TYPE_CHECKING:
    from bedplate.contract.policy import MethodPolicy
    from bedplate.settings import Settings

Handler = Callable[[Any, Call], Awaitable[Any]]
Proceed = Callable[[Call, Message], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One concern of a call. Each hook may be left out.

    Attributes:
        name: The file's name.
        enter: Runs once, before the first message. Refuses by raising; returns
            an awaitable when it has to wait, and None otherwise, because most
            calls need not wait and a coroutine costs more than the check.
        message: Runs for every request message: takes the raw payload or the
            message, returns what the next stage gets. Refuses by raising.
        around: Wraps the handler of a unary call. A method that streams refuses
            to start with a stage that has only this.
        before: Runs once right before the handler, where `around` would; for
            all kinds of call. Refuses and waits like `enter`.
        response: Runs for every response message. Refuses by raising.
        leave: Runs at the end of every call, in reverse order; of one that was
            refused before it came to `enter` too, so it gives back what this
            call took and nothing else. Must not raise.
    """

    name: str
    enter: Callable[[Call], Awaitable[None] | None] | None = None
    message: Callable[[Call, Any], Any] | None = None
    around: Callable[[Call, Message, Proceed], Awaitable[Message]] | None = None
    before: Callable[[Call], Awaitable[None] | None] | None = None
    response: Callable[[Call, Message], None] | None = None
    leave: Callable[[Call], None] | None = None


class Gate(Protocol):
    """Whether the process still takes calls; see server/lifecycle.py.

    Attributes:
        draining: New calls are refused.
        released: Not None: refusals wait for it. With the last refusals held
            back until the listener is closed, callers that wait for them send
            nothing at the moment of closing, when gRPC would cancel it.
    """

    draining: bool
    released: asyncio.Event | None


@dataclass(slots=True)
class OpenGate:
    """A gate that is open until it is told otherwise."""

    draining: bool = False
    released: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What stages are made with, the same for all methods of a process.

    Attributes:
        authenticator: Where credentials are known.
        settings: The process's settings.
        gate: Whether new calls are refused.
        registry: Where stages keep their metrics.
        timings: How long the calls of each method lately take.
        live: What operators have set while the process runs.
        load: What the process has taken on.
        outcomes: Outcomes of calls, for those who repeat them; None: there is no database.
        audit: Writes records of calls; None: there is no database.
        relations: Who has which relation to which object; None: nobody knows.
        answers: Answers that are kept for a while.
        quota: How often callers may call.
        expiry: What ends calls at their deadlines.
        strict: Whether a response that breaks its contract is answered as the bug it is.
    """

    authenticator: Authenticator
    settings: "Settings"
    gate: Gate = field(default_factory=OpenGate)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    timings: Timings = field(default_factory=Timings)
    live: Live = field(default_factory=Live)
    load: Load = field(default_factory=Load)
    outcomes: Outcomes | None = None
    audit: Audit | None = None
    relations: Relations | None = None
    answers: Answers = field(default_factory=Answers)
    quota: Quota = field(default_factory=Quota)
    expiry: Expiry = field(default_factory=Expiry)
    strict: bool = False


class CompileStage(Protocol):
    """What a stage's file exports as `compile`."""

    def __call__(self, policy: "MethodPolicy", parts: Parts) -> Stage | None:
        """The stage for a method with this policy; None when it asks for nothing."""
        ...
