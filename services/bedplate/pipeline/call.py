"""One call, as every stage and handler sees it."""

import copy
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from bedplate.auth.principal import ANONYMOUS, Principal
from bedplate.contract.headers import PRINCIPAL, SCOPES, TENANT
from bedplate.contract.promises import Criticality
from bedplate.contract.scope import Attempt
from bedplate.pipeline.expiry import Watch

Decode = Callable[[Any], Message]


class Call:
    """One call on its way through the pipeline. A door makes it; stages fill it.

    Attributes:
        method: Full name, `package.Service/Method`.
        door: `grpc`, `http` or `local`.
        peer: Address of the caller as the door knows it, such as `ipv4:127.0.0.1:4711`;
            empty once the call has ended well and nobody had asked for it.
        metadata: What the caller sent, lower-case names; `-bin` values are bytes.
            Holds no identity that was not verified.
        decode: Turns the door's raw payload into a request message; raises
            `Refusal` or protobuf's `DecodeError`.
        requested_timeout_s: What the caller asked for, seconds; None: nothing.
        door_cancels: True when the door itself cancels the task at the caller's
            own deadline, so that the pipeline need not set a timer for it.
        deadline: When the answer must be ready, `time.monotonic` seconds. Set
            by the deadline stage before anything else runs; infinite where
            nothing ends the call (see stages/deadline.py).
        outbound_deadline: What the calls that it makes must keep to; the
            deadline, unless the stage says otherwise.
        expired: True once the deadline's timer has cancelled the task.
        stopped: True once the door has cancelled the task because the process stops.
        begun: True once the request is there: it may have had an effect.
        level: How much it matters; None: nobody has asked yet whether there is room for it.
        counted: Whether it counts against the process's limit.
        slot_since: When it got its method's slot, `time.monotonic` seconds; 0: it has none.
        queued_s: How long it waited for that, and for its request, seconds.
        principal: Who calls; set by the authenticate stage.
        pending: See `bedplate.contract.scope`.
        outcome: The same; set while the handler of a method runs that has one
            effect for each request id.
        quota: What its caller may call yet: what writes it as HTTP header lines, and
            of how many tokens; None: there is no limit, or its door does not tell.
        response_headers: Metadata to send before the answer, or at its end (see
            `pipeline.ends`); names are lower case.
        code: With which code it failed, as the caller is told; empty: it has not.
        reason: The reason of that.
        trace_id: The caller's trace, or a new one; 32 hex digits.
        span_id: This call's own span, 16 hex digits.
        parent_span_id: The caller's span, 16 hex digits, or an empty string.
        sampled: Whether spans are recorded.
        started: `time.monotonic` seconds.
        ended: When it was recorded, the same clock; 0 before.
        watch: What ends it at its deadline; None: nothing does, or the door.
        vouch: Tells in which metadata the caller says for whom it calls, which is
            apart from all other and believed of trusted peers only. None: this
            door has none.
    """

    __slots__ = (
        "_names",
        "_outbound_deadline",
        "_peer",
        "begun",
        "code",
        "counted",
        "deadline",
        "decode",
        "door",
        "door_cancels",
        "ended",
        "error_id",
        "expired",
        "level",
        "metadata",
        "method",
        "outcome",
        "parent_span_id",
        "pending",
        "principal",
        "queued_s",
        "quota",
        "reason",
        "request",
        "requested_timeout_s",
        "response_headers",
        "sampled",
        "slot_since",
        "span_id",
        "started",
        "stopped",
        "trace_id",
        "vouch",
        "watch",
    )

    def __init__(
        self,
        method: str,
        door: str,
        decode: Decode,
        peer: str | Callable[[], str] = "",
        metadata: Mapping[str, str | bytes] = {},
        requested_timeout_s: float | None = None,
        door_cancels: bool = False,
        names: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
        started: float = 0.0,
    ) -> None:
        self._names = names
        self.vouch: Callable[[], Mapping[str, str | bytes]] | None = None
        self.method = method
        self.door = door
        self._peer = peer
        self.metadata = metadata
        self.decode = decode
        self.requested_timeout_s = requested_timeout_s
        self.door_cancels = door_cancels
        self.started = started or time.monotonic()
        self.ended = 0.0
        self.deadline = 0.0
        self._outbound_deadline = 0.0
        self.expired = False
        self.stopped = False
        self.begun = False
        self.level: Criticality | None = None
        self.counted = False
        self.slot_since = 0.0
        self.queued_s = 0.0
        self.principal: Principal = ANONYMOUS
        self.pending: list[Callable[[Any], None]] = []
        self.outcome: Attempt | None = None
        self.quota: tuple[Callable[[float], str], float] | None = None
        self.response_headers: list[tuple[str, str | bytes]] = []
        ids = random.getrandbits(192).to_bytes(24, "big").hex()
        self.trace_id = ids[:32]
        self.span_id = ids[32:]
        self.parent_span_id = ""
        self.sampled = False
        self.code = ""
        self.reason = ""
        self.error_id = ""
        self.request: Message | None = None
        self.watch: Watch | None = None

    @property
    def peer(self) -> str:
        """Address of the caller."""
        if not isinstance(self._peer, str):
            self._peer = self._peer()
        return self._peer

    @peer.setter
    def peer(self, value: str) -> None:
        self._peer = value

    @property
    def peer_names(self) -> tuple[str, ...]:
        """What the caller's certificate calls it, where it showed one; see `transport.names`."""
        if callable(self._names):
            self._names = self._names()
        return self._names

    def settle_peer(self, wanted: bool) -> str:
        """The call ends, and with it the door's knowledge of who called from where: the address."""
        if not isinstance(self._peer, str):
            self._peer = self._peer() if wanted else ""
        return self._peer

    @property
    def tenant(self) -> str:
        """The verified tenant; empty for an anonymous caller."""
        return self.principal.tenant

    @property
    def outbound_deadline(self) -> float:
        """What the calls that it makes must keep to, `time.monotonic` seconds."""
        return self._outbound_deadline or self.deadline

    @outbound_deadline.setter
    def outbound_deadline(self, value: float) -> None:
        self._outbound_deadline = value

    @property
    def traceparent(self) -> str:
        """The W3C trace context to hand on: this call is the parent of what it calls."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    @property
    def caller(self) -> tuple[tuple[str, str], ...]:
        """Metadata that tells a peer who trusts this process for whom it calls; empty for nobody."""
        principal = self.principal
        if not principal.id:
            return ()
        scopes = " ".join(sorted(principal.scopes))
        return (PRINCIPAL, principal.id), (TENANT, principal.tenant), (SCOPES, scopes)

    @property
    def credential(self) -> str:
        """The caller's own `authorization` value, once verified; empty for none."""
        return str(self.metadata.get("authorization", "")) if self.principal.id else ""

    @property
    def criticality(self) -> str:
        """How much the call matters, as it is handed on; empty where nobody asked."""
        return self.level.name.lower() if self.level is not None else ""

    def remaining_s(self) -> float:
        """Seconds until the deadline; may be negative, and infinite where nothing ends the call."""
        return self.deadline - time.monotonic()

    def detached(self, limit_s: float) -> "Call":
        """The same call for work that may outlive it: same caller and trace, `limit_s` seconds from now.

        What the work adds to headers and records is its own.
        """
        own = copy.copy(self)
        own._peer = self.peer  # a door knows it only while the call runs
        own.deadline, own.outbound_deadline = time.monotonic() + limit_s, 0.0
        own.pending, own.response_headers, own.quota = [], [], None
        own.watch, own.expired, own.stopped = None, False, False
        return own
