"""Fields: what may be sent and what may be answered, as google.api.field_behavior says (AIP-203, AIP-161).

It comes before the rules are looked at: what is passed over breaks none.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_input_only
from bedplate.contract.messages import has_field, is_map
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.clear import identifiers, output_only
from bedplate.pipeline.masks import Masks, masks_of
from bedplate.pipeline.stage import Parts, Stage
from bedplate.pipeline.violations import has_rules, rule_violations

# Violations that one answer lists; nobody mends more at once.
VIOLATIONS_MAX = 20

_CREATES = ("Create", "BatchCreate")

Check = Callable[[Call, Any], None]


class ContractBreach(Exception):  # noqa: N818 - a fault of the service, told to its developer
    """A response that breaks its own contract. The text names fields and rules, and no value."""


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Pass over output-only fields, check update masks and, where that is looked for, responses.

    None for a method whose messages ask for none of it.

    Raises:
        PolicyError: Nobody could say which field an update mask is about.
    """
    descriptor = policy.descriptor
    request, response = descriptor.input_type, descriptor.output_type
    creates = descriptor.name.startswith(_CREATES)
    found = (output_only(request), identifiers(request) if creates else None)
    clears = tuple(clear for clear in found if clear is not None)
    masks = masks_of(request)
    check = _response_check(response) if parts.strict else None
    if not clears and masks is None and check is None:
        return None

    def message(call: Call, sent: Any) -> Any:
        for clear in clears:
            clear(sent)
        if masks is not None:
            _refuse(masks, sent)
        return sent

    return Stage("fields", message=message if clears or masks is not None else None, response=check)


def _refuse(masks: Masks, request: Message) -> None:
    violations = list(islice(masks.violations(request), VIOLATIONS_MAX))
    if not violations:
        return
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    raise Refusal(
        Kind.INVALID, "INVALID_REQUEST", f"{first.field}: {first.sentence}{more}", violations=violations
    )


def _response_check(descriptor: Descriptor) -> Check | None:
    """What holds a response against its own contract; None when that says nothing.

    REQUIRED is about requests (AIP-203), so a response may leave such a field unset.
    """
    hides, ruled = has_field(descriptor, is_input_only), has_rules(descriptor)
    if not hides and not ruled:
        return None

    def check(call: Call, response: Message) -> None:
        found: list[Violation] = list(_input_only(response)) if hides else []
        if ruled:
            found.extend(rule_violations(response))
        if found:
            listed = "; ".join(
                f"{one.field or 'the message'}: {one.sentence}" for one in found[:VIOLATIONS_MAX]
            )
            raise ContractBreach(f"The response of {call.method} breaks its contract: {listed}")

    return check


def _input_only(message: Message, prefix: str = "") -> Iterator[Violation]:
    for field, value in message.ListFields():
        path = prefix + field.name
        if is_input_only(field):
            yield Violation(path, "This field is input-only; no response may have it.", "input_only")
        elif field.message_type is None:
            continue
        elif is_map(field):
            for item in value.values() if field.message_type.fields_by_name["value"].message_type else ():
                yield from _input_only(item, f"{path}[*].")
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from _input_only(item, f"{path}[{index}].")
        else:
            yield from _input_only(value, f"{path}.")
