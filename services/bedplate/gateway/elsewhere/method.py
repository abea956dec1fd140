"""Methods whose handlers ask the server behind.

They run the part of the pipeline that guards this process and that only the
edge can see: who connects, deadlines, load, addresses, sizes. Who calls, what
they may, whether the request is valid and what it does is for the server
behind, which keeps all of its stages.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.client.deadline import HOP_MARGIN_S, HOP_MARGIN_SHARE, SHORTEST_S
from bedplate.contract import reasons
from bedplate.contract.headers import AUTHORIZATION, CRITICALITY, ENVIRONMENT, REQUEST_ID, TRACEPARENT
from bedplate.contract.policy import MethodPolicy
from bedplate.contract.promises import RateScope
from bedplate.contract.redact import has_sensitive
from bedplate.errors import Kind, Refusal
from bedplate.gateway.elsewhere import forwarded
from bedplate.gateway.elsewhere.answer import Answers, garbled, gone
from bedplate.gateway.elsewhere.descriptors import Contracts
from bedplate.gateway.elsewhere.policy import policy_of
from bedplate.gateway.elsewhere.upstream import Line
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method, compile_method
from bedplate.pipeline.ends import TRAILER
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.stage import CompileStage, Parts, Stage
from bedplate.pipeline.stages import (
    address,
    deadline,
    decode,
    deprecation,
    drain,
    labels,
    limits,
    peer,
    rate,
    shed,
)
from bedplate.policy.layers import Layer
from bedplate.telemetry.recorder import Recorder, Telemetry

# Refusals of UNAUTHENTICATED whose callers have shown a key that is valid.
_KNOWN_CALLERS = frozenset({"STEP_UP_REQUIRED", "AUDIENCE_WRONG"})

# Rounds of a call that a server refuses before it starts because it stops; how
# long to wait between them where it does not say, and at most. Seconds.
ROUNDS_MAX = 20
ROUND_WAIT_S = 0.05
ROUND_WAIT_MAX_S = 0.5


def _rate(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Rates by address are the edge's: the server behind sees one address, ours."""
    by_address = policy.rate is not None and policy.rate.per is RateScope.ADDRESS
    return rate.compile(policy, parts) if by_address else None


# In the order of refusal, as pipeline.order has it.
EDGE_STAGES: tuple[CompileStage, ...] = (
    peer.compile,
    deadline.compile,
    drain.compile,
    shed.compile,
    labels.compile,
    deprecation.compile,
    address.compile,
    _rate,
    decode.compile,
    limits.compile,
)


def methods_of(
    contracts: Contracts, line: Line, parts: Parts, telemetry: Telemetry, *, layers: Iterable[Layer] = ()
) -> dict[str, Method]:
    """The methods of a server's contracts by full name, those with streams of requests left out.

    Args:
        contracts: The contracts.
        line: The way to the server.
        parts: What stages are made with.
        telemetry: Where calls are recorded.
        layers: What the deployment tightens.

    Raises:
        PolicyError: A contract contradicts itself, or cannot be kept here.
    """
    layers = tuple(layers)
    made = {}
    for service in contracts.services:
        failures = FailureMaker(reasons.of_file(service.file), domain=service.file.package, strict=False)
        for descriptor in service.methods:
            if descriptor.client_streaming:
                continue  # nothing in HTTP and JSON is a stream of requests
            policy = policy_of(descriptor, layers)
            answers = Answers(policy, contracts.pool, telemetry.log)
            caller = _Caller(descriptor, line, answers, parts)
            made[policy.method] = compile_method(
                descriptor,
                policy,
                caller.stream if descriptor.server_streaming else caller.unary,
                parts=parts,
                recorder=Recorder(telemetry, policy.method, discreet=has_sensitive(descriptor.input_type)),
                failures=failures,
                stages=EDGE_STAGES,
            )
    return made


class _Caller:
    """Asks the server behind for one method."""

    def __init__(self, descriptor: MethodDescriptor, line: Line, answers: Answers, parts: Parts) -> None:
        self._path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
        self._kind = "unary_stream" if descriptor.server_streaming else "unary_unary"
        response_class = GetMessageClass(descriptor.output_type)
        self._parse = response_class.FromString
        self._line = line
        self._answers = answers
        self._failed = parts.quota.addresses.fail
        self._channel: grpc.aio.Channel | None = None
        self._start: Any = None

    def _begin(self, request: Message, call: Call) -> Any:
        """Start the call behind; it ends a little before ours does, so that we can answer."""
        channel = self._line.current()
        if channel is not self._channel:
            self._start = getattr(channel, self._kind)(self._path)
            self._channel = channel
        metadata = metadata_of(call)
        return self._start(request.SerializeToString(), timeout=_timeout_s(call), metadata=metadata)

    async def unary(self, request: Message, call: Call) -> Message:
        """The handler of a method with one response."""
        for left in range(ROUNDS_MAX, 0, -1):
            begun = self._begin(request, call)
            try:
                data = await begun
                _hand_on(await begun.initial_metadata(), call)
                _hand_on(await begun.trailing_metadata(), call, TRAILER)
                return self._message(data)
            except grpc.aio.AioRpcError as error:
                ended = self._ended(error, call, request)
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                raise gone(False) from None  # the channel was closed under it
            await _wait_or_raise(ended, left)
        raise AssertionError("the last round returns or raises")

    async def stream(self, request: Message, call: Call) -> AsyncGenerator[Message, None]:
        """The handler of a method with a stream of responses."""
        for left in range(ROUNDS_MAX, 0, -1):
            begun, first = self._begin(request, call), True
            try:
                _hand_on(await begun.initial_metadata(), call)
                async for data in begun:
                    first = False
                    yield self._message(data)
                _hand_on(await begun.trailing_metadata(), call, TRAILER)
                return
            except grpc.aio.AioRpcError as error:
                ended = self._ended(error, call, request)
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                raise gone(False) from None
            finally:
                begun.cancel()
            await _wait_or_raise(ended, left if first else 1)

    def _message(self, data: bytes) -> Message:
        try:
            return self._parse(data)
        except DecodeError:
            raise garbled() from None

    def _ended(self, error: grpc.aio.AioRpcError, call: Call, request: Message) -> Failure | Refusal:
        _hand_on(error.initial_metadata(), call)
        _hand_on(error.trailing_metadata(), call, TRAILER)
        ended = self._answers.of(error, call, request)
        if error.code() is grpc.StatusCode.UNAUTHENTICATED and ended.reason not in _KNOWN_CALLERS:
            self._failed(call.peer)  # the server behind sees one address for all callers
        return ended


async def _wait_or_raise(ended: Failure | Refusal, left: int) -> None:
    """Raise what a call ended with, unless the server refused it because it stops: another will take it."""
    if left == 1 or not isinstance(ended, Failure) or ended.reason != "DRAINING":
        raise ended
    wait_s = ROUND_WAIT_S if ended.retry_after_s is None else min(ended.retry_after_s, ROUND_WAIT_MAX_S)
    await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads callers, hides nothing


def _is_cancelled() -> bool:
    """Whether this task was cancelled; grpcio raises the same for a call that others ended."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _timeout_s(call: Call) -> float | None:
    """What is left for the call behind, seconds; None: nothing ends it."""
    left_s = call.outbound_deadline - time.monotonic()
    if math.isinf(left_s):
        return None
    left_s -= min(HOP_MARGIN_S, left_s * HOP_MARGIN_SHARE)
    if left_s < SHORTEST_S:
        raise Refusal(Kind.LATE, "DEADLINE_EXCEEDED", "No time was left to ask the server behind.")
    return left_s


def metadata_of(call: Call) -> tuple[tuple[str, str], ...]:
    """What is sent beside a request: who calls, as they said it, the trace, and from where. Nothing else."""
    given = call.metadata
    sent = [(TRACEPARENT, call.traceparent), (REQUEST_ID, str(given.get(REQUEST_ID, call.trace_id)))]
    for name in (AUTHORIZATION, ENVIRONMENT):
        value = given.get(name)
        if value is not None:
            sent.append((name, _plain(name, str(value))))
    if CRITICALITY in given:  # else the server behind reads in the contract what it is
        sent.append((CRITICALITY, call.criticality))
    sent.extend(forwarded.metadata_of(call))
    return tuple(sent)


def _plain(name: str, value: str) -> str:
    if value.isascii() and value.isprintable():
        return value
    raise Refusal(
        Kind.INVALID, "HTTP_MALFORMED", f"The header {name} holds characters beyond plain ASCII; send none."
    )


def _hand_on(metadata: Any, call: Call, prefix: str = "") -> None:
    """Headers of the answer, or its end; the gateway sends those on that callers may see."""
    if metadata:
        own = {name for name, _ in call.response_headers}
        if call.quota is not None:
            own |= {"ratelimit", "ratelimit-policy"}
        said = ((prefix + name, value) for name, value in metadata)
        call.response_headers.extend((name, value) for name, value in said if name not in own)
