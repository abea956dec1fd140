"""The reasons that a package declares, read from its enums."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import EnumDescriptor, FileDescriptor
from google.rpc import code_pb2

from bedplate.v1 import policy_pb2, reason_pb2


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason that a service may refuse with.

    Attributes:
        name: Public name, without the enum's prefix.
        domain: The ErrorInfo domain.
        code: Name of the code that always goes with it.
        retryable: Whether the same call may succeed later, unchanged.
        help: What the caller can do about it.
    """

    name: str
    domain: str
    code: str
    retryable: bool
    help: str


def of_file(file: FileDescriptor) -> Mapping[str, Reason]:
    """The reasons that a file declares, by public name."""
    found: dict[str, Reason] = {}
    for enum in file.enum_types_by_name.values():
        if enum.GetOptions().HasExtension(policy_pb2.reasons):
            found.update(_of_enum(enum))
    return found


@cache
def platform() -> Mapping[str, Reason]:
    """The platform's own reasons, by public name."""
    return of_file(reason_pb2.DESCRIPTOR)


def _of_enum(enum: EnumDescriptor) -> dict[str, Reason]:
    domain = enum.GetOptions().Extensions[policy_pb2.reasons].domain or enum.file.package
    zero = enum.values_by_number[0].name
    prefix = zero.removesuffix("UNSPECIFIED")
    found = {}
    for value in enum.values:
        if value.number == 0:
            continue
        policy: policy_pb2.ReasonPolicy = value.GetOptions().Extensions[policy_pb2.reason]
        name = value.name.removeprefix(prefix)
        found[name] = Reason(name, domain, code_pb2.Code.Name(policy.code), policy.retryable, policy.help)
    return found
