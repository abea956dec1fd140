"""Methods as they are called by name."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.gateway.endpoint import Served
from bedplate.gateway.exchange import Request
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure

TIMEOUT = "connect-timeout-ms"
_MILLISECONDS = re.compile(r"[0-9]{1,10}")

_TOO_LARGE = "MESSAGE_TOO_LARGE"

# Flags and length, and the end of base64.
_AROUND_BYTES = 16


class Named:
    """A method that is called by its name.

    Its callers say in a header of Connect's how long they wait. What limits a
    request is its message's size: a body may have more, for it has a length
    besides, and may be in base64.
    """

    def __init__(self, method: Served) -> None:
        self._method = method
        self._known: MethodPolicy | None = None
        self._wider: MethodPolicy
        self.name: str = method.name
        self.descriptor: MethodDescriptor = method.descriptor
        self.client_streaming: bool = method.client_streaming
        self.server_streaming: bool = method.server_streaming

    @property
    def policy(self) -> MethodPolicy:
        """The policy in force, for bodies."""
        policy = self._method.policy
        if policy is not self._known:  # operators may lower it while the process runs
            self._known = policy
            self._wider = replace(policy, request_bytes=policy.request_bytes * 4 // 3 + _AROUND_BYTES)
        return self._wider

    @property
    def request_bytes(self) -> int:
        """How many bytes a request's message may have."""
        return self._method.policy.request_bytes

    async def unary(self, call: Call, payload: Any) -> Message:
        """As the method's own."""
        self._read(call, payload)
        return await self._method.unary(call, payload)

    async def deliver(self, call: Call, payload: Any, write: Callable[[Message], Awaitable[None]]) -> None:
        """As the method's own."""
        self._read(call, payload)
        await self._method.deliver(call, payload, write)

    def refuse(self, call: Call, error: Exception) -> Failure:
        """As the method's own; the door knows of bodies only, and the contract tells of messages."""
        if isinstance(error, Refusal) and error.reason == _TOO_LARGE:
            error = too_large(self.request_bytes)
        return self._method.refuse(call, error)

    def _read(self, call: Call, request: Request) -> None:
        text = request.headers.get(TIMEOUT)
        if text is None:
            return
        if _MILLISECONDS.fullmatch(text) is None:
            raise self.refuse(call, _bad("is malformed; send at most 10 digits."))
        if call.requested_timeout_s is not None:
            raise self.refuse(call, _bad("stands beside another header of the kind; send one of them."))
        call.requested_timeout_s = int(text) / 1000


def too_large(limit: int) -> Refusal:
    """The refusal of a message that is larger than it may be, bytes."""
    return Refusal(
        Kind.EXHAUSTED,
        _TOO_LARGE,
        f"The request's message may have {limit} bytes; send less in one call.",
        limit_bytes=limit,
    )


def _bad(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "HTTP_MALFORMED", f"{TIMEOUT} {sentence}")
