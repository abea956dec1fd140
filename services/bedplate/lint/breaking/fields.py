"""BB3xx of fields and reasons: what callers may send, and what refusals mean."""

from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.reasons import Reason, of_file
from bedplate.lint.breaking.change import Change, Pair
from bedplate.lint.breaking.constraint import tightened
from bedplate.lint.contract import Contract
from bedplate.lint.schema import behaviours, class_of, field_options, required, rules_of, sensitive, short
from buf.validate import validate_pb2

_NEWLY = (
    ("BB325", field_behavior_pb2.REQUIRED, "must be set now; callers who leave it out are refused"),
    ("BB326", field_behavior_pb2.OUTPUT_ONLY, "is set by the server only now; what callers send is dropped"),
    ("BB327", field_behavior_pb2.IMMUTABLE, "cannot be changed any more once it is set"),
)


def changes(pair: Pair) -> Iterator[Change]:
    """All of them."""
    for old, new in pair.messages:
        for field in old.fields:
            after = new.fields_by_number.get(field.number)
            if after is not None and after.name == field.name:
                yield from _both(field, after)
                if old.full_name in pair.asked:
                    yield from _asked(field, after)
        if old.full_name in pair.asked:
            yield from _added(old, new)
            yield from _message(old, new)
    yield from _reasons(pair)


def _both(old: FieldDescriptor, new: FieldDescriptor) -> Iterator[Change]:
    name = short(new)
    if sensitive(new) and sensitive(new) != sensitive(old):
        yield Change(
            "BB324",
            new.full_name,
            f"{name} is {class_of(new)} now: it vanishes from logs and traces, and may not be in URLs",
        )
    if field_options(old).client_id and not field_options(new).client_id:
        yield Change(
            "BB331",
            new.full_name,
            f"{name} is not filled by clients any more; callers must make it up themselves",
        )


def _asked(old: FieldDescriptor, new: FieldDescriptor) -> Iterator[Change]:
    name = short(new)
    for code, behaviour, sentence in _NEWLY:
        if behaviour in behaviours(new) - behaviours(old):
            yield Change(code, new.full_name, f"{name} {sentence}")
    if found := tuple(tightened(rules_of(old), rules_of(new))):
        yield Change(
            "BB328",
            new.full_name,
            f"{name} takes less than before: {', '.join(found)}; callers who send the rest are refused",
        )


def _added(old: Descriptor, new: Descriptor) -> Iterator[Change]:
    known = {field.number for field in old.fields}
    for field in new.fields:
        if field.number not in known and (required(field) or rules_of(field).required):
            yield Change(
                "BB329",
                field.full_name,
                f"{new.name}.{field.name} is new and must be set, which no caller does yet; let it be left "
                "out, with a meaning",
            )


def _message(old: Descriptor, new: Descriptor) -> Iterator[Change]:
    extension: Any = validate_pb2.message
    rules = [message.GetOptions().Extensions[extension] for message in (old, new)]
    found = list(tightened(*rules))
    insisting: Any = validate_pb2.oneof
    for oneof in new.oneofs:
        before = old.oneofs_by_name.get(oneof.name)
        was = before is not None and before.GetOptions().Extensions[insisting].required
        if oneof.GetOptions().Extensions[insisting].required and not was:
            found.append(f"one of {oneof.name} must be set")
    if found:
        yield Change(
            "BB332",
            new.full_name,
            f"{new.name} takes less than before: {', '.join(found)}; callers who send the rest are refused",
        )


def _reasons(pair: Pair) -> Iterator[Change]:
    old, new = _declared(pair.old), _declared(pair.new)
    for key, (element, reason) in old.items():
        if key not in new:
            yield Change(
                "BB320",
                element,
                f"The reason {reason.name} is gone or is called otherwise, and callers switch on its name; "
                "keep it",
            )
            continue
        name, after = new[key]
        if after.code != reason.code:
            yield Change(
                "BB319",
                name,
                f"{reason.name} goes with {after.code} and went with {reason.code}; declare another reason",
            )
        if after.domain != reason.domain:
            yield Change(
                "BB321",
                name,
                f"{reason.name} is in the domain {after.domain} and was in {reason.domain}; keep it",
            )
        if reason.retryable and not after.retryable:
            yield Change(
                "BB322", name, f"{reason.name} was worth trying again and is not: callers give up earlier"
            )


def _declared(contract: Contract) -> dict[tuple[str, str], tuple[str, Reason]]:
    """Reasons by package and name, with the full name of the value that declares each."""
    found = {}
    for file in contract.files:
        elements = {
            value.name: f"{enum.full_name}.{value.name}"
            for enum in file.enum_types_by_name.values()
            for value in enum.values
        }
        for name, reason in of_file(file).items():
            element = next((full for word, full in elements.items() if word.endswith(f"_{name}")), name)
            found[file.package, name] = (element, reason)
    return found
