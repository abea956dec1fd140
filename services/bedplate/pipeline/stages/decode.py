"""Decode: the door's raw payload becomes a request message.

It comes after authentication and authorisation, so that nobody without the
right to call can make the server parse.
"""

from typing import Any

from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Decode each request message, within the contract's size."""
    limit = policy.request_bytes

    def message(call: Call, payload: Any) -> Message:
        if type(payload) is bytes and len(payload) > limit:
            raise Refusal(
                Kind.EXHAUSTED,
                "MESSAGE_TOO_LARGE",
                f"The request has {len(payload)} bytes and may have {limit}; send less in one call.",
                limit_bytes=limit,
            )
        request = call.decode(payload)
        call.request = request
        return request

    return Stage("decode", message=message)
