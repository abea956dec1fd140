"""The faults of the admin service: messages in, what the fault stage looks at, messages out."""

import time
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from bedplate.admin.v1 import admin_pb2 as pb
from bedplate.contract.promises import seconds
from bedplate.data.page import PageTokens, fingerprint
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.policy.faults import (
    DELAY_MAX_S,
    FAULTS_MAX,
    LASTS_MAX_S,
    LASTS_S,
    Abort,
    Delay,
    Drop,
    Effect,
    Fault,
    Faults,
    FullError,
    Pushback,
)

PUSHBACK_MAX_S = 3600.0
# Contracts of the service itself: a fault in them could not be cleared.
OWN = "bedplate.admin."


class FaultHandlers:
    """Answers the calls that are about faults; see the contract for what each one does and refuses."""

    def __init__(
        self,
        faults: Faults,
        methods: Mapping[str, Method],
        page_tokens: PageTokens,
        *,
        forbidden: bool,
    ) -> None:
        """Take what they work with.

        Args:
            faults: The faults of the process.
            methods: The methods of the process by full name; may be filled later.
            page_tokens: Makes and reads page tokens.
            forbidden: Whether the process runs in production.
        """
        self._faults = faults
        self._methods = methods
        self._page_tokens = page_tokens
        self._forbidden = forbidden

    async def SetFault(self, request: pb.SetFaultRequest, call: Call) -> pb.SetFaultResponse:
        """Inject a fault."""
        if self._forbidden:
            raise Refusal(
                Kind.STATE,
                "FAULTS_FORBIDDEN",
                "This server runs in production, where no fault is injected; use one of a test environment.",
            )
        fault = read_fault(request.fault, set_by=call.principal.id)
        if not any(fault.covers(name) for name in self._methods if not name.startswith(OWN)):
            raise Refusal(
                Kind.NOT_FOUND,
                "TARGET_NOT_FOUND",
                f"This process has no method {fault.target} whose calls could be hit; name one that it has.",
                target=fault.target,
            )
        try:
            made = self._faults.set(fault)
        except FullError as error:
            raise Refusal(
                Kind.EXHAUSTED,
                "FAULTS_FULL",
                f"There are {FAULTS_MAX} faults, as many as there may be; clear some first.",
                limit=FAULTS_MAX,
            ) from error
        return pb.SetFaultResponse(fault=self._message(made))

    async def ListFaults(self, request: pb.ListFaultsRequest, call: Call) -> pb.ListFaultsResponse:
        """List the faults."""
        query, tenant, principal = fingerprint(request), call.tenant, call.principal.id
        tokens = self._page_tokens
        cursor = tokens.decode(request.page_token, query=query, tenant=tenant, principal=principal)
        faults = self._faults.all()
        ids = [fault.id for fault in faults]
        # Where the last one of the page before has ended, the list begins again.
        first = ids.index(str(cursor[0])) + 1 if cursor and cursor[0] in ids else 0
        page = faults[first : first + (request.page_size or FAULTS_MAX)]
        more = first + len(page) < len(faults)
        token = ""
        if more:
            token = tokens.encode((page[-1].id,), query=query, tenant=tenant, principal=principal)
        return pb.ListFaultsResponse(faults=[self._message(fault) for fault in page], next_page_token=token)

    async def ClearFault(self, request: pb.ClearFaultRequest, call: Call) -> pb.ClearFaultResponse:
        """End a fault."""
        if not self._faults.clear(request.fault_id):
            raise Refusal(
                Kind.NOT_FOUND,
                "FAULT_NOT_FOUND",
                "There is no such fault; it may have ended. List the faults to see which there are.",
                fault_id=request.fault_id,
            )
        return pb.ClearFaultResponse()

    async def ClearFaults(self, request: pb.ClearFaultsRequest, call: Call) -> pb.ClearFaultsResponse:
        """End all faults."""
        cleared = [fault for fault in self._faults.all() if self._faults.clear(fault.id)]
        return pb.ClearFaultsResponse(cleared_count=len(cleared))

    def _message(self, fault: Fault) -> pb.Fault:
        message = pb.Fault(
            fault_id=fault.id,
            target=fault.target,
            percentage=fault.share * 100,
            hit_limit=fault.limit,
            duration=_duration(fault.lasts_s),
            expire_time=_in(self._faults.left_s(fault)),
            hit_count=fault.hits,
            creator=fault.set_by,
        )
        match fault.effect:
            case Delay(shortest_s, longest_s):
                message.delay.shortest.CopyFrom(_duration(shortest_s))
                message.delay.longest.CopyFrom(_duration(longest_s))
            case Abort(code):
                message.abort.code = code_pb2.Code.Value(code)
            case Drop():
                message.drop.SetInParent()
            case Pushback(retry_after_s):
                message.pushback.retry_after.CopyFrom(_duration(retry_after_s))
        return message


def read_fault(message: pb.Fault, *, set_by: str) -> Fault:
    """The fault that a message says.

    Raises:
        Refusal: FAULT_INVALID.
    """
    share = message.percentage / 100 if message.HasField("percentage") else 1.0
    if not 0 < share <= 1:
        raise _invalid("fault.percentage", "must be above 0 and at most 100")
    lasts_s = seconds(message.duration) if message.HasField("duration") else LASTS_S
    if not 0 < lasts_s <= LASTS_MAX_S:
        raise _invalid("fault.duration", "must be above 0 and at most 24 h")
    return Fault(
        id=message.fault_id,
        target=message.target,
        effect=_effect(message),
        share=share,
        limit=message.hit_limit,
        lasts_s=lasts_s,
        set_by=set_by,
    )


def _effect(message: pb.Fault) -> Effect:
    match message.WhichOneof("effect"):
        case "delay":
            shortest_s = seconds(message.delay.shortest)
            longest_s = seconds(message.delay.longest) if message.delay.HasField("longest") else shortest_s
            if not 0 <= shortest_s <= DELAY_MAX_S:
                raise _invalid("fault.delay.shortest", f"must be 0 to {DELAY_MAX_S:g} s")
            if not shortest_s <= longest_s <= DELAY_MAX_S:
                raise _invalid(
                    "fault.delay.longest", f"must be at least the shortest and at most {DELAY_MAX_S:g} s"
                )
            return Delay(shortest_s, longest_s)
        case "abort":
            # Unset is 0, which is the code of success: nothing to end a call with.
            code = message.abort.code or code_pb2.UNAVAILABLE
            if code not in code_pb2.Code.values():
                raise _invalid("fault.abort.code", "must be a code of google.rpc.Code other than OK")
            return Abort(code_pb2.Code.Name(code))
        case "drop":
            return Drop()
        case "pushback":
            retry_after_s = seconds(message.pushback.retry_after)
            if not 0 <= retry_after_s <= PUSHBACK_MAX_S:
                raise _invalid("fault.pushback.retry_after", "must be 0 to 1 h")
            return Pushback(retry_after_s)
    raise _invalid("fault.effect", "must be one of delay, abort, drop and pushback")


def _invalid(field: str, wrong: str) -> Refusal:
    sentence = f"{field} {wrong}."
    return Refusal(Kind.INVALID, "FAULT_INVALID", sentence, violations=[Violation(field, sentence)])


def _duration(seconds: float) -> Duration:
    made = Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made


def _in(seconds: float) -> Timestamp:
    made = Timestamp()
    made.FromNanoseconds(time.time_ns() + round(seconds * 1e9))
    return made
