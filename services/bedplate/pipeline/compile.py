"""Makes one callable of a method, its policy and its handler.

Everything that can be decided at start is decided here: which stages the
policy asks for, in which order, and what they were made with. A call then runs
flat tuples of functions.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.contract.scope import CURRENT
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.order import STAGES
from bedplate.pipeline.stage import CompileStage, Parts, Proceed, Stage
from bedplate.telemetry.recorder import Recorder

Leave = Callable[[Call], None]
Write = Callable[[Message], Awaitable[None]]


class Method:
    """One method, ready to be called by any door.

    Attributes:
        name: Full name, `package.Service/Method`.
        descriptor: Its descriptor.
        policy: Its policy.
        request_class: Class of its request messages.
        response_class: Class of its response messages.
        decode: Makes a request message of its bytes.
        client_streaming: Whether requests are a stream.
        server_streaming: Whether responses are a stream.
        stages: Names of its stages, in order.
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        policy: MethodPolicy,
        handler: Any,
        *,
        stages: tuple[Stage, ...],
        recorder: Recorder,
        failures: FailureMaker,
    ) -> None:
        self.name = policy.method
        self.descriptor = descriptor
        self.policy = policy
        self.request_class: type[Message] = GetMessageClass(descriptor.input_type)
        self.response_class: type[Message] = GetMessageClass(descriptor.output_type)
        self.decode: Callable[[bytes], Message] = self.request_class.FromString
        self.client_streaming: bool = descriptor.client_streaming
        self.server_streaming: bool = descriptor.server_streaming
        self.stages = tuple(stage.name for stage in stages)
        self._enters = tuple((s.enter, s.leave) for s in stages if s.enter is not None)
        self._messages = tuple(s.message for s in stages if s.message is not None)
        self._responses = tuple(s.response for s in stages if s.response is not None)
        self._handler = handler
        arounds = [s.around for s in stages if s.around is not None]
        if arounds and (self.client_streaming or self.server_streaming):
            names = [s.name for s in stages if s.around is not None]
            raise PolicyError(f"{self.name}: {', '.join(names)} cannot be promised for a method that streams")
        self._respond = _wrap(_unary_end(handler), arounds)
        self._recorder = recorder
        self._failures = failures

    async def unary(self, call: Call, payload: Any) -> Message:
        """Run a call that has one response; the payload is the raw request, or an iterator of them.

        Raises:
            Failure: The answer, when it is not a message.
            asyncio.CancelledError: The door cancelled the call.
        """
        CURRENT.set(call)
        self._recorder.begin(call)
        leaves: list[Leave] = []
        response: Message
        try:
            for enter, leave in self._enters:
                waiting = enter(call)
                if leave is not None:
                    leaves.append(leave)
                if waiting is not None:
                    await waiting
            if self.client_streaming:
                response = await self._handler(self._requests(call, payload), call)
            else:
                request = payload
                for step in self._messages:
                    request = step(call, request)
                response = await self._respond(call, request)
            self._check(call, response)
        except BaseException as error:
            answer = self._end(call, error)
            if answer is error:
                raise
            raise answer from error
        else:
            self._recorder.end(call, "OK", "")
            return response
        finally:
            for leave in reversed(leaves):
                leave(call)

    async def stream(self, call: Call, payload: Any) -> AsyncGenerator[Message, None]:
        """Run a call whose responses are a stream; otherwise as `unary`."""
        CURRENT.set(call)
        self._recorder.begin(call)
        leaves: list[Leave] = []
        responses: Any = None
        try:
            for enter, leave in self._enters:
                waiting = enter(call)
                if leave is not None:
                    leaves.append(leave)
                if waiting is not None:
                    await waiting
            request = payload
            if self.client_streaming:
                request = self._requests(call, payload)
            else:
                for step in self._messages:
                    request = step(call, request)
            responses = self._handler(request, call)
            async for response in responses:
                self._check(call, response)
                yield response
        except BaseException as error:
            answer = self._end(call, error)
            if answer is error:
                raise
            raise answer from error
        else:
            self._recorder.end(call, "OK", "")
        finally:
            for leave in reversed(leaves):
                leave(call)
            if responses is not None:
                await responses.aclose()

    async def deliver(self, call: Call, payload: Any, write: Write) -> None:
        """Run a call whose responses are a stream, and write each of them.

        A call that ends while a response is being written (its deadline passes
        and the caller does not read) ends as one that ends in its handler.

        Raises:
            Failure: The answer, after the responses that were written.
            asyncio.CancelledError: The door cancelled the call.
        """
        responses = self.stream(call, payload)
        async for response in responses:
            try:
                await write(response)
            except asyncio.CancelledError as error:
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

    async def _requests(self, call: Call, payloads: AsyncIterator[Any]) -> AsyncIterator[Message]:
        async for payload in payloads:
            request = payload
            for step in self._messages:
                request = step(call, request)
            yield request

    def _check(self, call: Call, response: Any) -> None:
        if type(response) is not self.response_class:
            wanted, got = self.response_class.__name__, type(response).__name__
            raise TypeError(f"{self.name} must answer {wanted}, its handler answered {got}")
        for check in self._responses:
            check(call, response)

    def _end(self, call: Call, error: BaseException) -> BaseException:
        """Record how a call failed; what to raise for it."""
        if call.expired:
            task = asyncio.current_task()
            if task is not None and isinstance(error, asyncio.CancelledError):
                task.uncancel()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._recorder.end(call, "INTERNAL", "INTERNAL", error)
            return error
        if isinstance(error, GeneratorExit):
            # The door stopped taking responses: the caller went away.
            self._recorder.end(call, "CANCELLED", "CANCELLED")
            return error
        failure = self._failures.from_exception(error, call)
        call.reason = failure.reason
        self._recorder.end(call, failure.code, failure.reason, error if failure.fault else None)
        if failure.code == "CANCELLED" and isinstance(error, asyncio.CancelledError):
            return error
        return failure


def _unary_end(handler: Any) -> Proceed:
    def end(call: Call, request: Message) -> Any:
        return handler(request, call)

    return end


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
    made = tuple(stage for stage in (compile(policy, parts) for compile in stages) if stage is not None)
    return Method(descriptor, policy, handler, stages=made, recorder=recorder, failures=failures)
