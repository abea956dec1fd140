"""Whether the rules of a field or message take less than before, whatever rules they are."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# Bounds of which one with equality and one without exclude each other.
_BOUNDS = {"lt": "lte", "lte": "lt", "gt": "gte", "gte": "gt"}
_UPPER = frozenset({"lt", "lte", "max_len", "max_bytes", "max_items", "max_pairs", "within"})
_LOWER = frozenset({"gt", "gte", "min_len", "min_bytes", "min_items", "min_pairs"})
# What says nothing of which values are taken.
_SILENT = frozenset({"example", "message"})


def tightened(old: Message, new: Message, prefix: str = "") -> Iterator[str]:
    """What refuses values that were taken, in words.

    Args:
        old: A buf.validate.FieldRules or MessageRules, or a part of one.
        new: The one in its place.
        prefix: The path so far.
    """
    for field, value in new.ListFields():
        path = prefix + field.name
        if field.name in _SILENT or field.name == "ignore":
            continue
        if field.is_repeated:
            yield from _repeated(path, field, list(getattr(old, field.name)), list(value))
        elif isinstance(value, Message) and not isinstance(value, (Duration, Timestamp)):
            yield from tightened(getattr(old, field.name), value, f"{path}.")
        elif field.name in _BOUNDS:
            yield from _bound(path, field.name, old, value)
        elif not old.HasField(field.name):
            if value is not False:
                yield f"{path} is new"
        else:
            yield from _scalar(path, field.name, getattr(old, field.name), value)
    yield from _ignored(old, new)


def _bound(path: str, name: str, old: Message, new: Any) -> Iterator[str]:
    """What a bound of a range refuses that the one before it, with or without equality, did not."""
    before = next((one for one in (name, _BOUNDS[name]) if old.HasField(one)), None)
    if before is None:
        yield f"{path} is new"
        return
    was, now = _number(getattr(old, before)), _number(new)
    further = now < was if name in _UPPER else now > was
    # The shorter name of the two is the one without equality.
    if further or (now == was and len(name) < len(before)):
        where = path.removesuffix(name)
        yield f"{path} is {_shown(new)}, and {where}{before} was {_shown(getattr(old, before))}"


def _scalar(path: str, name: str, old: Any, new: Any) -> Iterator[str]:
    was, now = _number(old), _number(new)
    if was == now:
        return
    if (name in _UPPER and now > was) or (name in _LOWER and now < was):
        return
    if isinstance(new, bool) and not new:
        return
    yield f"{path} was {_shown(old)} and is {_shown(new)}"


def _repeated(path: str, field: FieldDescriptor, old: list[Any], new: list[Any]) -> Iterator[str]:
    if field.name == "in":
        if not old or any(value not in new for value in old):
            yield f"{path} has fewer values"
    elif field.name == "not_in":
        if any(value not in old for value in new):
            yield f"{path} has more values"
    elif field.message_type is not None:
        before = {_rule(one) for one in old}
        for one in new:
            if _rule(one) not in before:
                yield f"{path} has the rule {one.id or one.expression}" if hasattr(one, "id") else path
    elif new != old:
        yield f"{path} changed"


def _rule(one: Any) -> Any:
    """What of a rule decides; its message is for people."""
    return getattr(one, "expression", None) or one.SerializeToString()


def _ignored(old: Message, new: Message) -> Iterator[str]:
    """Values to which the rules were not applied before."""
    if "ignore" not in new.DESCRIPTOR.fields_by_name:
        return
    was, now = old.ignore, new.ignore  # type: ignore[attr-defined]
    rules = [field.name for field, _ in new.ListFields() if field.name != "ignore"]
    if now < was and rules:
        yield "the value that was left alone is looked at"


def _number(value: Any) -> Any:
    if isinstance(value, (Duration, Timestamp)):
        return value.seconds + value.nanos / 1e9
    return value


def _shown(value: Any) -> str:
    return f"{_number(value):g}" if isinstance(_number(value), float) else str(_number(value))
