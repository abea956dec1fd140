"""Update masks (AIP-134, AIP-161): which fields of a resource a request means to change.

A request has one when it has a field `update_mask` of type
google.protobuf.FieldMask beside the resource. Empty means every field that is
set, and `*` every field there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_fixed, is_output_only
from bedplate.contract.messages import field_at, is_map
from bedplate.contract.promises import PolicyError

MASK_NAME = "update_mask"
ALL = "*"

# Paths of one mask; each is looked up for each field that is found wrong.
PATHS_MAX = 1000

# Characters of a caller's path that an answer repeats, and that are compared with names.
SHOWN_MAX = 80


@dataclass(frozen=True, slots=True)
class Masked:
    """A request type with an update mask.

    Attributes:
        mask: The mask's field.
        resource: The field whose parts the mask names.
    """

    mask: FieldDescriptor
    resource: FieldDescriptor

    @property
    def type(self) -> Descriptor:
        """The resource's type."""
        found: Descriptor | None = self.resource.message_type
        assert found is not None
        return found


@cache
def masked(request: Descriptor) -> Masked | None:
    """The mask of a request type and what it is about; None when it has none.

    Raises:
        PolicyError: Nobody could say which field the mask is about.
    """
    mask = request.fields_by_name.get(MASK_NAME)
    if mask is None or mask.message_type is None or mask.is_repeated:
        return None
    if mask.message_type.full_name != FieldMask.DESCRIPTOR.full_name:
        return None
    resources = [field for field in request.fields if _may_be_resource(field)]
    if len(resources) > 1:
        wanted = request.name.removeprefix("Update").removesuffix("Request")
        resources = [field for field in resources if _type_name(field) == wanted]
    if len(resources) != 1:
        raise PolicyError(
            f"{request.full_name}.{MASK_NAME} must stand beside one field that holds the resource, so that "
            "its paths can be checked; put other messages elsewhere, or name it Update<Resource>Request."
        )
    return Masked(mask, resources[0])


def _type_name(field: FieldDescriptor) -> str:
    return field.message_type.name if field.message_type is not None else ""


def _may_be_resource(field: FieldDescriptor) -> bool:
    below = field.message_type
    return below is not None and not field.is_repeated and not below.full_name.startswith("google.protobuf.")


@dataclass(frozen=True, slots=True)
class Fault:
    """A path of a mask that cannot be: its place in the mask, and what is wrong with it."""

    index: int
    sentence: str
    rule: str


def faults(mask: FieldMask, resource: Descriptor) -> Iterator[Fault]:
    """What is wrong with the paths of a mask, one by one.

    A path of an output-only field is right: what a request says of it is
    passed over (AIP-161), so that a caller may use one mask both ways.
    """
    if len(mask.paths) > PATHS_MAX:
        sentence = (
            f"The mask has {len(mask.paths)} paths and may have {PATHS_MAX}; send the star for all fields."
        )
        yield Fault(PATHS_MAX, sentence, "mask.size")
        return
    for index, path in enumerate(mask.paths):
        if path == ALL:
            if len(mask.paths) > 1:
                yield Fault(index, "The star stands for all fields; send it alone.", "mask.star")
            continue
        wrong = (_kept_check if len(path) <= SHOWN_MAX else _check)(resource, path)
        if wrong is not None:
            yield Fault(index, *wrong)


def _check(resource: Descriptor, path: str) -> tuple[str, str] | None:
    field = field_at(resource, path)
    if field is None:
        return _unknown(resource, path)
    if is_fixed(field):
        return f"The field {path} cannot be changed; leave it out of the mask.", "mask.immutable"
    return None


# Callers send the same few paths again and again; what they make up pushes itself out.
_kept_check = lru_cache(maxsize=1024)(_check)


def _unknown(resource: Descriptor, path: str) -> tuple[str, str]:
    shown = path[:SHOWN_MAX]
    known, field = "", None
    below: Descriptor | None = resource
    for step in shown.split("."):
        if below is None or (field is not None and field.is_repeated):
            kind = "map" if field is not None and is_map(field) else "list"
            what = f"a {kind}" if field is not None and field.is_repeated else "no message"
            return f"{known} is {what}, so there is nothing below it; name {known} itself.", "mask.below"
        found = below.fields_by_name.get(step)
        if found is None:
            near = get_close_matches(step, [one.name for one in below.fields], n=1)
            there = f"{known}.{near[0]}" if near and known else near[0] if near else ""
            hint = f"did you mean {there}?" if near else "leave it out."
            return f"{resource.name} has no field {shown}; {hint}", "mask.unknown"
        known, field, below = f"{known}.{step}" if known else step, found, found.message_type
    return f"{resource.name} has no field {shown}; leave it out.", "mask.unknown"


def covers(mask: FieldMask, resource: Message, path: str) -> bool:
    """Whether a change by this mask touches a path of the resource, such as `address.city` or `tags[2]`."""
    if not mask.paths:
        return _is_set(resource, path)
    plain = path.replace("[", ".")
    for one in mask.paths:
        if one == ALL or plain == one or plain.startswith(f"{one}.") or one.startswith(f"{plain}."):
            return True
    return False


def _is_set(message: Message, path: str) -> bool:
    """Whether each step of a path is set; what is in a list or a map counts as set."""
    for step in path.split("."):
        name = step.partition("[")[0]
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            return True
        if not (message.HasField(name) if field.has_presence else getattr(message, name)):
            return False
        if field.is_repeated or field.message_type is None:
            return True
        message = getattr(message, name)
    return True


def merge(mask: FieldMask, changed: Message, into: Message) -> None:
    """Do what a mask says: take fields of `changed` over into a stored resource.

    Fields that are output-only, immutable or identifiers stay as they are, even
    where the star or a field above names them. A field that is masked and unset
    is cleared. Lists and maps are replaced whole.

    Args:
        mask: The update mask, as the pipeline let it through.
        changed: The resource in the request.
        into: The stored resource, of the same type; it is changed.
    """
    if not mask.paths:
        for field, _ in changed.ListFields():
            _merge_set(field, changed, into)
        return
    for path in mask.paths:
        if path == ALL:
            fields: Any = into.DESCRIPTOR.fields  # upb's own type in the stubs
            for field in fields:
                _take(field, changed, into)
            return
        _merge_path(path.split("."), changed, into)


def _merge_set(field: FieldDescriptor, changed: Message, into: Message) -> None:
    """Take over what is set; below a message, field by field."""
    if is_output_only(field) or is_fixed(field):
        return
    if field.message_type is None or field.is_repeated or _is_value(field.message_type):
        _take(field, changed, into)
        return
    below, target = getattr(changed, field.name), getattr(into, field.name)
    target.SetInParent()
    for inner, _ in below.ListFields():
        _merge_set(inner, below, target)


def _is_value(descriptor: Descriptor) -> bool:
    """Whether a message is one value, such as a time, and not a bundle of fields."""
    return bool(descriptor.full_name.startswith("google.protobuf."))


def _merge_path(steps: list[str], changed: Message, into: Message) -> None:
    first, *rest = steps
    field: Any = into.DESCRIPTOR.fields_by_name[first]
    if is_output_only(field) or is_fixed(field):
        return
    if not rest:
        _take(field, changed, into)
    elif changed.HasField(first) or into.HasField(first):
        _merge_path(rest, getattr(changed, first), getattr(into, first))


def _take(field: FieldDescriptor, changed: Message, into: Message) -> None:
    """Make a field what it is in `changed`, but for what only the server may change in it."""
    if is_output_only(field) or is_fixed(field):
        return
    name, below = field.name, field.message_type
    if below is not None and not field.is_repeated and not _is_value(below):
        if not changed.HasField(name):
            _clear(field, into)
            return
        for inner in below.fields:
            _take(inner, getattr(changed, name), getattr(into, name))
        getattr(into, name).SetInParent()
        return
    into.ClearField(name)
    if field.is_repeated:
        getattr(into, name).MergeFrom(getattr(changed, name))
    elif below is not None:
        if changed.HasField(name):
            getattr(into, name).CopyFrom(getattr(changed, name))
    elif not field.has_presence or changed.HasField(name):
        setattr(into, name, getattr(changed, name))


def _clear(field: FieldDescriptor, into: Message) -> None:
    """Clear a message, but for what only the server may change in it."""
    if not into.HasField(field.name):
        return
    below = getattr(into, field.name)
    for inner, _ in below.ListFields():
        if is_output_only(inner) or is_fixed(inner):
            continue
        if inner.message_type is not None and not inner.is_repeated and not _is_value(inner.message_type):
            _clear(inner, below)
        else:
            below.ClearField(inner.name)
    if not below.ListFields():
        into.ClearField(field.name)
