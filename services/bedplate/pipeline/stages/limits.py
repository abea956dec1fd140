"""Limits: no response larger than the contract says."""

from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse a response that is too large, with a reason; the caller's own limit would give none."""
    limit = policy.response_bytes

    def response(call: Call, message: Message) -> None:
        size = message.ByteSize()
        if size > limit:
            raise Refusal(
                Kind.EXHAUSTED,
                "MESSAGE_TOO_LARGE",
                f"The response has {size} bytes and may have {limit}; ask for less in one call.",
                limit_bytes=limit,
            )

    return Stage("limits", response=response)
