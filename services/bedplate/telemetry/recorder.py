"""Records each call: counters and a histogram, a span when sampled, one log line."""

import random
import re
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from bedplate.contract.headers import TRACEPARENT
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.metrics import CallMetrics, Cell, LogMetrics
from bedplate.telemetry.redact import redacted, scrub

# Traceback kept in a log line, characters.
TRACEBACK_MAX = 8_000

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_IDS = frozenset({"0" * 32, "0" * 16})


class RecordedCall(Protocol):
    """What telemetry reads of a call; `pipeline.call.Call` is one."""

    method: str
    door: str
    metadata: Any
    started: float
    ended: float
    trace_id: str
    span_id: str
    parent_span_id: str
    sampled: bool
    error_id: str
    request: Any
    principal: Any

    @property
    def peer(self) -> str:
        """Address of the caller, while the call runs or when it was wanted."""
        ...

    def settle_peer(self, wanted: bool) -> str:
        """Find the peer out now, or never; empty: nobody knows."""
        ...


class SpanSink(Protocol):
    """Takes finished spans; see telemetry/spans.py."""

    def record(self, call: RecordedCall, code: str, reason: str, duration_s: float) -> None:
        """Take the span of a finished call that is sampled."""
        ...


@dataclass(slots=True)
class Telemetry:
    """What a process records with.

    Attributes:
        log: Where log lines go.
        registry: Where metrics are kept, for `/metrics`.
        spans: Where spans go; None: none are made.
        trace_ratio: Share of calls that are sampled when the caller did not decide.
        calls: What is counted of calls.
    """

    log: LogWriter
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    spans: SpanSink | None = None
    trace_ratio: float = 0.0
    calls: CallMetrics = field(init=False)

    def __post_init__(self) -> None:
        self.calls = CallMetrics(self.log.settle)
        self.registry.register(self.calls)
        self.registry.register(LogMetrics(lambda: self.log.dropped))

    @property
    def in_flight(self) -> int:
        """Calls that run now, on all doors."""
        return sum(tally.running for tally in self.calls.tallies)

    @property
    def begun(self) -> int:
        """Calls that have begun so far, on all doors."""
        return sum(tally.begun for tally in self.calls.tallies)


class Recorder:
    """Records the calls of one method; what can be bound is bound at start.

    While a call runs it is only noted. Its line is made and its time counted
    some calls later, many at once (see logs.BATCH).
    """

    def __init__(self, telemetry: Telemetry, method: str, *, discreet: bool = False) -> None:
        """Prepare to record a method; `discreet`: what exceptions say of themselves is left out of the log.

        For methods with more requests than the last one, which alone is known
        when a call ends, and whose requests have sensitive fields.
        """
        self._telemetry = telemetry
        self._method = method
        self._log = telemetry.log
        self._discreet = discreet
        self._cells: dict[tuple[str, str], Cell] = {}
        self._tally = telemetry.calls.tally(method)

    def begin(self, call: RecordedCall) -> None:
        """Give the call its place in a trace, and count it as running."""
        self._tally.begun += 1
        header = call.metadata.get(TRACEPARENT)
        if header is not None and _join(call, header):
            return
        ratio = self._telemetry.trace_ratio
        if ratio > 0:
            call.sampled = random.random() < ratio  # noqa: S311 - a share, not a secret

    def end(self, call: RecordedCall, code: str, reason: str, cause: BaseException | None = None) -> None:
        """Record how the call ended; `cause` is the fault behind an INTERNAL or the like."""
        self._tally.ended += 1
        call.ended = time.monotonic()
        duration_s = call.ended - call.started
        if call.sampled and self._telemetry.spans is not None:
            self._telemetry.spans.record(call, code, reason, duration_s)
        peer = call.settle_peer(code != "OK")
        # Not the call itself: what it holds would wait too, and the next one find none of its memory warm.
        who = (call.method, call.door, call.principal, call.trace_id, call.span_id, peer)
        if cause is None:
            call.request = None  # whoever keeps the call does not keep its messages
            self._log.record(self._settle, (who, code, reason, duration_s, None))
        else:
            self._log.record(self._settle, (who, code, reason, duration_s, (call, cause)))
            self._log.hurry()

    def fault(self, call: RecordedCall, cause: BaseException, answer: Any) -> None:
        """Log a fault that came after the call had ended well: its answer could not be written.

        Without the answer nobody can tell what of the traceback is secret, and none is logged.
        """
        told = "" if answer is None else scrub("".join(traceback.format_exception(cause)), answer)
        self._log.write(
            "error",
            "fault",
            {
                "method": call.method,
                "door": call.door,
                "trace_id": call.trace_id,
                "error_id": call.error_id,
                "error": type(cause).__name__,
                "traceback": told[-TRACEBACK_MAX:],
            },
        )

    def _settle(self, at: float, noted: tuple[Any, ...]) -> dict[str, Any]:
        (method, door, principal, trace_id, span_id, peer), code, reason, duration_s, failed = noted
        cell = self._cells.get((door, code))
        if cell is None:
            cell = self._cell(door, code)
        cell.add(duration_s)
        line: dict[str, Any] = {
            "time": at,
            "level": "info",
            "event": "call",
            "method": method,
            "door": door,
            "code": code,
            "ms": round(duration_s * 1e6) / 1000,
            "principal": principal.id,
            "tenant": principal.tenant,
            "trace_id": trace_id,
            "span_id": span_id,
        }
        if peer:
            line["peer"] = peer
        if reason:
            line["reason"] = reason
        if failed is not None:
            call, cause = failed
            line.update(level="error", event="fault", **_fault(call, cause, discreet=self._discreet))
            call.request = None
        return line

    def _cell(self, door: str, code: str) -> Cell:
        cell = self._cells[door, code] = self._telemetry.calls.cell(self._method, door, code)
        return cell


def _fault(call: RecordedCall, cause: BaseException, *, discreet: bool) -> dict[str, Any]:
    text = "".join(
        traceback.format_tb(cause.__traceback__) if discreet else traceback.format_exception(cause)
    )
    fields: dict[str, Any] = {
        "error_id": call.error_id,
        "error": type(cause).__name__,
        # What is cut in two by the limit would not be found, so the limit comes last.
        "traceback": scrub(text, call.request)[-TRACEBACK_MAX:],
    }
    if call.request is not None:
        fields["request"] = redacted(call.request)
    return fields


def _join(call: RecordedCall, header: str | bytes) -> bool:
    """Take trace id, parent and sampling from a W3C traceparent; False when it is malformed."""
    found = _TRACEPARENT.fullmatch(header) if isinstance(header, str) else None
    if found is None:
        return False
    version, trace_id, parent_span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id in _NO_IDS or parent_span_id in _NO_IDS:
        return False
    call.trace_id, call.parent_span_id, call.sampled = trace_id, parent_span_id, bool(int(flags, 16) & 1)
    return True
