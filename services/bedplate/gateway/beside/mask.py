"""Which fields of a message are wanted: texts such as `id,owner.name,items.price`, by AIP-157 and AIP-161.

A path goes through lists (`items.price` is `items.*.price`) and through maps
by their keys (`labels.colour`, `labels.*`, `` labels.`a.b` ``). Nothing is
below a type with a JSON form of its own, such as a Struct.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.messages import is_map
from bedplate.errors import Violation
from bedplate.gateway.codec.encode import Mask
from bedplate.gateway.codec.kind import field_named, is_special
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, Unfit

TEXT_MAX = 4_000  # characters of a mask
STEPS_MAX = 32  # names in one path

_STEP = re.compile(r"(?:`([^`]+)`|([^.`]+))(\.(?!$)|$)")


def read_view(text: str, descriptor: Descriptor) -> Mask:
    """What a text asks for of a message; empty and `*`: all.

    Raises:
        Unfit: It names what is no field; the path of the violation is the path in the text.
    """
    if len(text) > TEXT_MAX:
        raise _unfit("", f"Send at most {TEXT_MAX} characters.")
    mask: Mask = {}
    for path in (text or "*").split(","):
        mask = _add(mask, _resolve(path.strip(), descriptor))
    return mask


def _add(mask: Mask, steps: list[str]) -> Mask:
    if mask is None or not steps:
        return None
    mask[steps[0]] = _add(mask.get(steps[0], {}), steps[1:])
    return mask


def _resolve(path: str, descriptor: Descriptor) -> list[str]:
    """The proto names and map keys of a path; a list's `*` is no step."""
    steps: list[str] = []
    here: Descriptor | None = descriptor
    last: FieldDescriptor | None = None  # the list or map that was named last
    ended = False
    for step in _steps(path):
        if ended:
            raise _unfit(path, "End the path at the *, which means everything here.")
        if last is not None and is_map(last):
            steps.append(step)
            last = None
        elif last is not None and step == "*":
            last = None
        elif here is None:
            raise _unfit(path, f"There is nothing below {steps[-1]} that can be chosen; name it whole.")
        elif step == "*":
            ended = True
        else:
            field = _named(here, step, path)
            steps.append(field.name)
            last = field if field.is_repeated else None
            here = _below(field)
    return steps


def _steps(path: str) -> Iterator[str]:
    position = 0
    for _ in range(STEPS_MAX):
        found = _STEP.match(path, position)
        if found is None:
            raise _unfit(path, "Send names of fields with points between them, such as owner.name.")
        yield found[1] or found[2]
        position = found.end()
        if not found[3]:
            return
    raise _unfit(path, f"Send at most {STEPS_MAX} names in one path.")


def _named(descriptor: Descriptor, name: str, path: str) -> FieldDescriptor:
    field = field_named(descriptor, name)
    if field is not None:
        return field
    near = get_close_matches(name[:KEY_SHOWN_MAX], [field.json_name for field in descriptor.fields], n=1)
    hint = f"did you mean {near[0]}?" if near else "leave it out."
    raise _unfit(path, f"There is no such field; {hint}")


def _below(field: FieldDescriptor) -> Descriptor | None:
    """The type whose fields may be named below a field, or below an element or entry of it."""
    if is_map(field):
        assert field.message_type is not None
        field = field.message_type.fields_by_name["value"]
    below = field.message_type
    return None if below is None or is_special(below) else below


def _unfit(path: str, sentence: str) -> Unfit:
    return Unfit(below=[Violation(path[: 2 * KEY_SHOWN_MAX], sentence, "json.mask")])
