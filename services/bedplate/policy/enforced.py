"""Which options this version enforces; a contract that sets another one is refused at start.

An option that is set and not kept is worse than one that cannot be set.
"""

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from bedplate.contract.messages import reached_from
from bedplate.contract.policy import MethodPolicy, PolicyError, service_policy
from bedplate.policy.layers import Layer, in_force
from bedplate.v1 import policy_pb2

# Paths of options below MethodPolicy and who keeps them. A message's path
# stands for all below it.
ENFORCED = {
    "deadline": "server, client, gateway",
    "idempotency": "server (REQUEST_ID), client (what may be retried)",
    "replay": "server",
    "retry": "client, through the generated service config",
    "hedge": "client; others by the generated service config; server (fewer attempts)",
    "auth.anonymous": "server",
    "auth.all_scopes": "server",
    "auth.any_scopes": "server",
    "auth.audiences": "server",
    "auth.step_up": "server",
    "auth.relation": "server",
    "audit": "server, in the business transaction",
    "criticality": "server; handed on by the client",
    "concurrency": "server",
    "cache": "server, gateway (cache-control)",
    "rate": "server",
    "limits": "server, gateway",
    "visibility": "gateway, OpenAPI",
    "calls": "linter",
    "slo": "linter",
    "rollout": "server",
    "http": "gateway, OpenAPI",
    "deprecation": "server (metadata, refusal after the last day), client (warning)",
}

# Values of enforced options that are not kept yet.
NOT_YET_VALUES: dict[tuple[str, int], str] = {}

# Fields of FieldPolicy that are kept, and of ServicePolicy.
ENFORCED_FIELD = {"sensitive": "logs, traces, error texts, audit", "client_id": "client"}
ENFORCED_SERVICE = {"defaults", "owner", "tier", "retry_budget"}


def check_method(method: MethodDescriptor, layers: Iterable[Layer] = ()) -> MethodPolicy:
    """The method's policy, with the deployment's layers over it, when this version can keep all of it.

    Raises:
        PolicyError: It sets what is not enforced, has no auth policy, or a layer
            would loosen it. The text names the method and says what to write.
    """
    policy = in_force(method, layers)
    for path in not_enforced(policy):
        raise PolicyError(
            f"{policy.method} sets the option {path}, which bedplate {version('bedplate')} does not enforce. "
            "Remove it, or use a version that enforces it."
        )
    if policy.auth is None:
        raise PolicyError(
            f"{policy.method} has no auth policy, so nobody could know who may call it. Write in its "
            '(bedplate.v1.policy): auth: {all_scopes: "<noun>.read"}, or auth: {anonymous: true} when '
            "anyone may call it."
        )
    auth = policy.auth
    if not auth.anonymous and not auth.all_scopes and not auth.any_scopes:
        raise PolicyError(
            f"{policy.method} has an empty auth policy. Write the scopes it asks for, "
            'auth: {all_scopes: "<noun>.read"}, or auth: {anonymous: true}.'
        )
    for message in (method.input_type, method.output_type):
        _check_fields(policy.method, message)
    _check_service(method)
    return policy


def not_enforced(policy: MethodPolicy) -> Iterator[str]:
    """Paths of the options that are set and not enforced."""
    for path, field, value in _set_options(policy.options, ""):
        if not _is_enforced(path):
            yield path
        elif field.enum_type is not None and (path, value) in NOT_YET_VALUES:
            yield f"{path}: {NOT_YET_VALUES[path, value]}"


def _is_enforced(path: str) -> bool:
    return path in ENFORCED or any(path.startswith(f"{kept}.") for kept in ENFORCED)


def _set_options(options: Message, prefix: str) -> Iterator[tuple[str, FieldDescriptor, Any]]:
    for field, value in options.ListFields():
        path = prefix + field.name
        has_parts = any(kept.startswith(f"{path}.") for kept in ENFORCED)
        if has_parts and isinstance(value, Message):
            yield from _set_options(value, f"{path}.")
        else:
            yield path, field, value


def _check_service(method: MethodDescriptor) -> None:
    service = method.containing_service
    for field, _ in service_policy(service).ListFields():
        if field.name not in ENFORCED_SERVICE:
            raise PolicyError(
                f"{service.full_name} sets the option {field.name}, which bedplate {version('bedplate')} "
                "does not enforce. Remove it, or use a version that enforces it."
            )


def _check_fields(method: str, message: Descriptor) -> None:
    for field in (field for found in reached_from(message) for field in found.fields):
        for option, _ in field.GetOptions().Extensions[policy_pb2.field].ListFields():
            if option.name not in ENFORCED_FIELD:
                raise PolicyError(
                    f"{method}: the field {field.full_name} sets the option {option.name}, which bedplate "
                    f"{version('bedplate')} does not enforce."
                )
