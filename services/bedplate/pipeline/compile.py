"""Makes one callable of a method, its policy and its handler.

Everything that can be decided at start is decided here: which stages the
policy asks for, in which order, and what they were made with. A call then runs
flat tuples of functions.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import has_field
from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.contract.scope import CURRENT
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.order import STAGES
from bedplate.pipeline.stage import CompileStage, Parts, Proceed, Stage
from bedplate.telemetry.recorder import Recorder

_log = logging.getLogger("bedplate.pipeline")

Write = Callable[[Message], Awaitable[None]]
Read = Callable[[], Awaitable[Any]]


class UnwritableError(Exception):
    """What `write` raises of a response that its door cannot write: the call has failed, by our fault."""


class Chain:
    """The stages of a method, flat: what runs where. Made anew when the policy in force changes.

    Attributes:
        names: Names of its stages, in order.
        enters: Run once, before the first message.
        leaves: Run at the end, last one first.
        messages: Run for every request message.
        responses: Run for every response message.
        around: The handler with what wraps it; None: nothing does.
        befores: Run right before the handler, where it has no `around`.
    """

    __slots__ = ("around", "befores", "enters", "leaves", "messages", "names", "responses")

    def __init__(self, policy: MethodPolicy, stages: tuple[Stage, ...], handler: Any) -> None:
        self.names = tuple(stage.name for stage in stages)
        self.enters = tuple(stage.enter for stage in stages if stage.enter is not None)
        self.leaves = tuple(stage.leave for stage in reversed(stages) if stage.leave is not None)
        self.messages = tuple(stage.message for stage in stages if stage.message is not None)
        responses = [stage.response for stage in stages if stage.response is not None]
        # Only proto2 has such fields. Without them nothing can be sent, and the door would find out too late.
        requires = has_field(policy.descriptor.output_type, lambda field: field.is_required)
        self.responses = (_check_complete, *responses) if requires else tuple(responses)
        arounds = [stage for stage in stages if stage.around is not None]
        befores = [stage.before for stage in stages if stage.before is not None]
        descriptor = policy.descriptor
        if arounds and (descriptor.client_streaming or descriptor.server_streaming):
            names = ", ".join(stage.name for stage in arounds)
            raise PolicyError(f"{policy.method}: {names} cannot be promised for a method that streams")
        self.befores = () if arounds else tuple(befores)
        wraps = [stage.around or (stage.before and _around(stage.before)) for stage in stages]
        self.around = _wrap(_unary_end(handler), list(filter(None, wraps))) if arounds else None


class Method:
    """One method, ready to be called by any door.

    Attributes:
        name: Full name, `package.Service/Method`.
        descriptor: Its descriptor.
        policy: Its policy in force; `apply` puts another in its place.
        request_class: Class of its request messages.
        response_class: Class of its response messages.
        decode: Makes a request message of its bytes.
        client_streaming: Whether requests are a stream.
        server_streaming: Whether responses are a stream.
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        policy: MethodPolicy,
        handler: Any,
        *,
        stages: tuple[CompileStage, ...],
        parts: Parts,
        recorder: Recorder,
        failures: FailureMaker,
    ) -> None:
        self.name = policy.method
        self.descriptor = descriptor
        self.request_class: type[Message] = GetMessageClass(descriptor.input_type)
        self.response_class: type[Message] = GetMessageClass(descriptor.output_type)
        self.decode: Callable[[bytes], Message] = self.request_class.FromString
        self.client_streaming: bool = descriptor.client_streaming
        self.server_streaming: bool = descriptor.server_streaming
        self._handler = handler
        self._stages = stages
        self._parts = parts
        self._recorder = recorder
        self._failures = failures
        self._chain = self._compile(policy)
        self.policy = policy

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in order."""
        return self._chain.names

    def apply(self, policy: MethodPolicy) -> None:
        """Put another policy into force for the calls that come from now on.

        Calls that run keep the one they began with. What stages remember
        (buckets, slots, entries) is in `Parts` and stays.

        Raises:
            PolicyError: A stage cannot keep what the policy promises; nothing is changed.
        """
        try:
            self._chain = self._compile(policy)
            self.policy = policy
        except PolicyError:
            self._compile(self.policy)  # what stages claimed in Parts is theirs again
            raise

    def check(self, policy: MethodPolicy) -> None:
        """Find out whether another policy could be put into force; nothing is changed.

        Raises:
            PolicyError: A stage cannot keep what the policy promises.
        """
        try:
            self._compile(policy)
        finally:
            self._compile(self.policy)

    def _compile(self, policy: MethodPolicy) -> Chain:
        made = (compile(policy, self._parts) for compile in self._stages)
        return Chain(policy, tuple(stage for stage in made if stage is not None), self._handler)

    async def unary(self, call: Call, payload: Any, read: Read | None = None) -> Message:
        """Run a call that has one response.

        Args:
            call: The call.
            payload: The raw request, or an iterator of them.
            read: Gets the payload in its place, once it is decided who calls and
                that they may: the door then holds nothing of a caller who may not.

        Raises:
            Failure: The answer, when it is not a message.
            asyncio.CancelledError: The door cancelled the call.
        """
        chain = self._chain
        CURRENT.set(call)
        self._recorder.begin(call)
        try:
            for enter in chain.enters:
                waiting = enter(call)
                if waiting is not None:
                    await waiting
            request: Any = payload if read is None else await read()
            call.begun = True
            if self.client_streaming:
                request = _Requests(call, request, chain.messages)
            else:
                for step in chain.messages:
                    request = step(call, request)
            for before in chain.befores:
                waiting = before(call)
                if waiting is not None:
                    await waiting
            response: Message
            if chain.around is None:
                response = await self._handler(request, call)
            else:
                response = await chain.around(call, request)
            if type(response) is not self.response_class:
                raise self._wrong(response)
            for check in chain.responses:
                check(call, response)
        except BaseException as error:
            answer = self._end(call, error)
            if answer is error:
                raise
            raise answer from error
        else:
            self._recorder.end(call, "OK", "")
            return response
        finally:
            if call.expired or call.stopped:
                _uncancel()
            for leave in chain.leaves:
                leave(call)

    async def stream(
        self, call: Call, payload: Any, read: Read | None = None
    ) -> AsyncGenerator[Message, None]:
        """Run a call whose responses are a stream; otherwise as `unary`."""
        chain = self._chain
        CURRENT.set(call)
        self._recorder.begin(call)
        responses: Any = None
        try:
            for enter in chain.enters:
                waiting = enter(call)
                if waiting is not None:
                    await waiting
            request: Any = payload if read is None else await read()
            call.begun = True
            if self.client_streaming:
                request = _Requests(call, request, chain.messages)
            else:
                for step in chain.messages:
                    request = step(call, request)
            for before in chain.befores:
                waiting = before(call)
                if waiting is not None:
                    await waiting
            responses = self._handler(request, call)
            async for response in responses:
                if type(response) is not self.response_class:
                    raise self._wrong(response)
                for check in chain.responses:
                    check(call, response)
                yield response
        except BaseException as error:
            answer = self._end(call, error)
            if answer is error:
                raise
            raise answer from error
        else:
            self._recorder.end(call, "OK", "")
        finally:
            if call.expired or call.stopped:
                _uncancel()
            for leave in chain.leaves:
                leave(call)
            if responses is not None:
                await _close(responses, self.name)

    async def deliver(self, call: Call, payload: Any, write: Write, read: Read | None = None) -> None:
        """Run a call whose responses are a stream, and write each of them; otherwise as `unary`.

        A call that ends while a response is being written (its deadline passes
        and the caller does not read) ends as one that ends in its handler, and
        so does one with a response that cannot be written.

        Raises:
            Failure: The answer, after the responses that were written.
            asyncio.CancelledError: The door cancelled the call.
        """
        responses = self.stream(call, payload, read)
        async for response in responses:
            try:
                await write(response)
            except (asyncio.CancelledError, UnwritableError) as error:
                await responses.athrow(error)
            except BaseException:
                await responses.aclose()
                raise

    def refuse(self, call: Call, error: Exception) -> Failure:
        """The answer to a call that went wrong at the door, outside the stages; recorded like any other."""
        self._recorder.begin(call)
        failure = self._failures.from_exception(error, call)
        self._recorder.end(call, failure.code, failure.reason, error if failure.fault else None)
        return failure

    def _wrong(self, response: Any) -> TypeError:
        wanted, got = self.response_class.__name__, type(response).__name__
        return TypeError(f"{self.name} must answer {wanted}, its handler answered {got}")

    def _end(self, call: Call, error: BaseException) -> BaseException:
        """Record how a call failed; what to raise for it."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._recorder.end(call, "INTERNAL", "INTERNAL", error)
            return error
        if isinstance(error, GeneratorExit):
            # The door stopped taking responses: the caller went away.
            self._recorder.end(call, "CANCELLED", "CANCELLED")
            return error
        failure = self._failures.from_exception(error, call)
        call.code, call.reason = failure.code, failure.reason
        self._recorder.end(call, failure.code, failure.reason, error if failure.fault else None)
        if failure.code == "CANCELLED" and isinstance(error, asyncio.CancelledError):
            return error
        return failure


def _check_complete(call: Call, response: Message) -> None:
    if not response.IsInitialized():
        unset = ", ".join(response.FindInitializationErrors()[:20])  # type: ignore[attr-defined]
        raise TypeError(f"{call.method} must set these fields of what it answers: {unset}")


class _Requests:
    """The request messages of a call, each through the stages when the handler asks for it."""

    __slots__ = ("_call", "_payloads", "_steps")

    def __init__(self, call: Call, payloads: AsyncIterator[Any], steps: tuple[Any, ...]) -> None:
        self._call = call
        self._payloads = payloads
        self._steps = steps

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        request = await self._payloads.__anext__()
        for step in self._steps:
            request = step(self._call, request)
        message: Message = request
        return message


def _uncancel() -> None:
    """Take back the cancellations with which a call was ended, so that its answer can be sent."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


async def _close(responses: Any, name: str) -> None:
    """Let a handler's generator clean up; what goes wrong in that changes no answer any more."""
    try:
        await responses.aclose()
    except Exception as error:
        _log.error("%s raised %s while it was closed", name, type(error).__name__)


def _unary_end(handler: Any) -> Proceed:
    def end(call: Call, request: Message) -> Any:
        return handler(request, call)

    return end


def _around(before: Callable[[Call], Awaitable[None] | None]) -> Any:
    async def around(call: Call, request: Message, proceed: Proceed) -> Message:
        waiting = before(call)
        if waiting is not None:
            await waiting
        return await proceed(call, request)

    return around


def _wrap(end: Proceed, arounds: list[Any]) -> Proceed:
    for around in reversed(arounds):
        end = _wrapped(around, end)
    return end


def _wrapped(around: Any, proceed: Proceed) -> Proceed:
    async def respond(call: Call, request: Message) -> Message:
        response: Message = await around(call, request, proceed)
        return response

    return respond


def compile_method(
    descriptor: MethodDescriptor,
    policy: MethodPolicy,
    handler: Any,
    *,
    parts: Parts,
    recorder: Recorder,
    failures: FailureMaker,
    stages: tuple[CompileStage, ...] = STAGES,
) -> Method:
    """The method with the stages that its policy asks for.

    Raises:
        PolicyError: A stage cannot keep what the policy promises.
    """
    return Method(
        descriptor, policy, handler, stages=stages, parts=parts, recorder=recorder, failures=failures
    )
