"""How long a call may take: no call leaves without a deadline, once its method's is kept."""

import math

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bedplate.contract import scope
from bedplate.contract.headers import STATUS_DETAILS
from bedplate.contract.policy import DEADLINE_DEFAULT_S, DEADLINE_MAX_S, MethodPolicy
from bedplate.contract.promises import DeadlineMode

# What a call made within another one leaves over for the way back: 5 ms, or a
# tenth of what is left when that is less. Seconds.
HOP_MARGIN_S = 0.005
HOP_MARGIN_SHARE = 0.1

# Less than this is no time to ask anybody: gRPC counts in milliseconds.
SHORTEST_S = 0.001


def timeout_s(policy: MethodPolicy | None, asked_s: float | None) -> float | None:
    """How long a call that starts now may take, seconds.

    The least of: what the caller asks for, or the policy's default; the
    policy's maximum; what is left to the call that the caller works for, less
    a margin. Where the policy's deadline is not kept yet (its mode is OBSERVE
    or PROPAGATE) its default and maximum end no call here either, and the
    result is None when nothing else does.

    Args:
        policy: Of the method; None: unknown, bedplate's own defaults hold.
        asked_s: What the caller asks for; None: nothing.

    Raises:
        AioRpcError: DEADLINE_EXCEEDED: nothing is left.
        ValueError: `asked_s` is no number.
    """
    if asked_s is not None and math.isnan(asked_s):
        raise ValueError("timeout_s is not a number; give seconds, or leave it out")
    default_s, max_s = _bounds(policy)
    given_s = default_s if asked_s is None else min(asked_s, max_s)
    left_s = scope.remaining_s()
    if left_s is not None:
        given_s = min(given_s, left_s - min(HOP_MARGIN_S, left_s * HOP_MARGIN_SHARE))
    if given_s < SHORTEST_S:
        raise _late()
    return None if math.isinf(given_s) else given_s


def _bounds(policy: MethodPolicy | None) -> tuple[float, float]:
    """Default and maximum, seconds."""
    if policy is None:
        return DEADLINE_DEFAULT_S, DEADLINE_MAX_S
    if policy.deadline_mode is not DeadlineMode.ENFORCE:
        return math.inf, math.inf
    return policy.deadline_default_s, policy.deadline_max_s


def _late() -> grpc.aio.AioRpcError:
    """What a server says to a call whose deadline had passed, without asking one."""
    sentence = "No time was left for the call when it was to start; give it more time."
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(reason="DEADLINE_EXCEEDED", domain="bedplate"))
    status = status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message=sentence, details=[info])
    return grpc.aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.aio.Metadata(),
        grpc.aio.Metadata((STATUS_DETAILS, status.SerializeToString())),
        details=sentence,
    )
