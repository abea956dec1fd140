"""PATCH (AIP-134): what a change touches, derived from the keys of its JSON, or checked where it is given.

A body says which fields it means by having them, so a mask need not be sent.
Null clears a field, lists and maps are replaced whole. What nobody may change is
refused by name, where a mask of a gRPC caller passes over it (AIP-161): who
writes a field into a patch means it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_fixed, is_output_only
from bedplate.contract.masks import ALL, MASK_NAME, faults, masked
from bedplate.contract.messages import field_at
from bedplate.errors import Violation
from bedplate.gateway.beside.conditional import ETAG
from bedplate.gateway.beside.lenient import first
from bedplate.gateway.codec.kind import VALUE, field_named, is_special
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, MASK_PATHS_MAX, VIOLATIONS_MAX, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request

# Values whose keys a lenient method's mask names; of strict ones they are changed whole.
_FREE = ("google.protobuf.Struct", VALUE)

# Of all paths of a derived mask: each repeats the keys above it, and keys of free
# values are as long as their caller likes.
MASK_CHARS_MAX = 64 * 1024

_Fill = Callable[[Request, Message], None]


def compile(endpoint: Endpoint) -> Feature | None:
    """Fill or check the update mask of a PATCH; None where there is none, or no resource that it is about.

    Lenient methods do as grpc-gateway does: the only mask of the request,
    whatever its name, is derived from a body that is one field of it.
    """
    binding, request = endpoint.binding, endpoint.method.descriptor.input_type
    lenient = endpoint.method.policy.http.lenient
    mask = _mask(request, any_name=lenient)
    if binding.http_method != "PATCH" or mask is None:
        return None
    if binding.body not in ("", "*"):
        field = field_at(request, binding.body)
    else:
        found = masked(request) if binding.body and not lenient else None
        field = None if found is None else found.resource
    if field is None or field.message_type is None or field.is_repeated or is_special(field.message_type):
        return None
    names = None if binding.body not in ("", "*") else frozenset((field.name, field.json_name))
    return Feature("patch", fill=_Patch(mask.name, field, names, lenient=lenient).fill)


def _mask(request: Descriptor, *, any_name: bool) -> FieldDescriptor | None:
    kind = FieldMask.DESCRIPTOR.full_name
    masks = [
        field
        for field in request.fields
        if field.message_type is not None and field.message_type.full_name == kind and not field.is_repeated
    ]
    if any_name:
        return masks[0] if len(masks) == 1 else None
    return next((field for field in masks if field.name == MASK_NAME), None)


class _Patch:
    """The masks of one binding."""

    def __init__(
        self, mask: str, resource: FieldDescriptor, names: frozenset[str] | None, *, lenient: bool
    ) -> None:
        """Args: names: Those under which the body has the resource; None: it is the resource."""
        assert resource.message_type is not None
        self._mask = mask
        self._resource = resource.name
        self._type: Descriptor = resource.message_type
        self._names = names
        self._lenient = lenient

    def fill(self, request: Request, message: Any) -> None:
        """Derive the mask, or check the one that came.

        Raises:
            Refusal: INVALID_REQUEST: a path is none or cannot be changed, or nothing is to be changed.
        """
        mask: FieldMask = getattr(message, self._mask)
        if mask.paths:
            if not self._lenient:
                self._check(mask)
            return
        paths = self._derived(request.body)
        if not paths and not self._lenient:
            sentence = f"There is nothing to change; send the fields that change, or {self._mask} as well."
            raise refusal([Violation(self._resource, sentence, "http.patch")])
        mask.paths.extend(paths)

    def _check(self, mask: FieldMask) -> None:
        found = [
            Violation(f"{self._mask}.paths[{fault.index}]", fault.sentence, fault.rule)
            for fault in faults(mask, self._type)
        ]
        if not found:
            found = [
                Violation(f"{self._mask}.paths[{index}]", _only_read(path), "mask.output_only")
                for index, path in enumerate(mask.paths)
                if path != ALL and _is_only_read(self._type, path)
            ]
        if found:
            raise refusal(found)

    def _derived(self, body: bytes) -> list[str]:
        """The paths of all that a body holds, in order; it was read before, so it is JSON that fits."""
        value = (first(body) if self._lenient else orjson.loads(body)) if body else None
        if self._names is not None and type(value) is dict:
            value = next((value[name] for name in self._names if name in value), None)
        if type(value) is not dict:
            return []
        violations: list[Violation] = []
        paths: list[str] = []
        chars = 0
        for path in self._paths(self._type, value, "", violations):
            chars += len(path)
            if len(paths) == MASK_PATHS_MAX or chars > MASK_CHARS_MAX:
                sentence = (
                    f"A change may name {MASK_PATHS_MAX} fields and keys, of {MASK_CHARS_MAX} characters "
                    "together; send less in one call."
                )
                raise refusal([Violation(self._resource, sentence, "http.patch")])
            paths.append(path)
        if violations:
            raise refusal(violations)
        return sorted(paths)

    def _paths(
        self, descriptor: Descriptor, value: dict[str, Any], prefix: str, violations: list[Violation]
    ) -> Iterator[str]:
        for key, item in value.items():
            field = field_named(descriptor, key)
            if field is None:  # to a lenient method, where grpc-gateway refuses it too
                if len(violations) < VIOLATIONS_MAX:
                    shown = f"{self._resource}.{prefix}{key[:KEY_SHOWN_MAX]}"
                    sentence = "There is no such field to change; leave it out."
                    violations.append(Violation(shown, sentence, "json.unknown_field"))
                continue
            if not prefix and field.name == ETAG and not self._lenient:
                continue  # a condition, and no change
            path = prefix + field.name
            if not self._lenient and (is_output_only(field) or is_fixed(field)):
                if len(violations) < VIOLATIONS_MAX:
                    violations.append(self._refused(field, path))
                continue
            below = None if field.is_repeated else field.message_type
            if self._lenient and below is not None and below.full_name in _FREE:
                yield from _free_paths(path, item)
            elif below is not None and not is_special(below) and item and type(item) is dict:
                yield from self._paths(below, item, f"{path}.", violations)
            else:
                yield path

    def _refused(self, field: FieldDescriptor, path: str) -> Violation:
        shown = f"{self._resource}.{path}"
        if is_output_only(field):
            return Violation(shown, _only_read(path), "mask.output_only")
        return Violation(shown, f"The field {path} cannot be changed; leave it out.", "mask.immutable")


def _free_paths(path: str, value: Any) -> Iterator[str]:
    """What is in a free value, as grpc-gateway names it: by its own keys."""
    if type(value) is not dict or not value:
        yield path
        return
    for key, item in value.items():
        yield from _free_paths(f"{path}.{key}", item)


def _only_read(path: str) -> str:
    return f"The field {path} is only answered and never taken; leave it out."


def _is_only_read(descriptor: Descriptor, path: str) -> bool:
    below: Descriptor | None = descriptor
    for step in path.split("."):
        field = below.fields_by_name.get(step) if below is not None else None
        if field is None:
            return False
        if is_output_only(field):
            return True
        below = field.message_type
    return False
