"""The policy of methods that this process did not grow up with.

A contract that says promises is held to them as one of ours is. Of one that
says none the server behind knows best: everything that has a route is public,
requests are taken as grpc-gateway takes them, and the server decides who may call.
"""

from collections.abc import Iterable
from dataclasses import replace

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.policy import MethodPolicy, Visibility, resolve
from bedplate.contract.promises import Http
from bedplate.policy.enforced import check_method
from bedplate.policy.layers import Layer
from bedplate.v1 import policy_pb2

# A contract without promises says no deadline. Nothing may wait for ever, and
# whoever needs longer can ask for it. Seconds.
DEADLINE_DEFAULT_S = 30.0
DEADLINE_MAX_S = 300.0
# Its streams may last as long as whoever opens them wants them to. Seconds.
STREAM_DEFAULT_S = 600.0
STREAM_MAX_S = 24 * 3600.0


def has_policy(method: MethodDescriptor) -> bool:
    """Whether a contract says anything of what a method promises."""
    own = method.GetOptions().HasExtension(policy_pb2.policy)
    return own or method.containing_service.GetOptions().HasExtension(policy_pb2.service)


def policy_of(method: MethodDescriptor, layers: Iterable[Layer] = ()) -> MethodPolicy:
    """The policy in force.

    Args:
        method: A method of any pool.
        layers: What the deployment tightens of contracts that say promises.

    Raises:
        PolicyError: The contract contradicts itself or sets what this version
            does not keep, or a layer would loosen it.
    """
    if has_policy(method):
        return check_method(method, layers)
    default_s, max_s = DEADLINE_DEFAULT_S, DEADLINE_MAX_S
    if method.server_streaming:
        default_s, max_s = STREAM_DEFAULT_S, STREAM_MAX_S
    return replace(
        resolve(method),
        deadline_default_s=default_s,
        deadline_max_s=max_s,
        visibility=Visibility.PUBLIC,
        http=Http(lenient=True, unset_fields=True),
    )
