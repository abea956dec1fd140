"""How an answer is written, by parameters: `fields`, `pretty`, `unset_fields`, `enum_numbers`, `proto_names`.

`alt` is what Google's generated clients send with every request. They apply to
what the call answered, wherever that came from, and never to failures. The
contract says what holds without them (`http` of the policy).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bedplate.errors import Violation
from bedplate.gateway.beside.mask import STEPS_MAX, TEXT_MAX, read_view
from bedplate.gateway.beside.negotiate import is_raw
from bedplate.gateway.codec.encode import PLAIN, Mask, Options, writer
from bedplate.gateway.codec.text import Unfit, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request

Take = Callable[[Request, str], None]

WRITERS_KEPT_MAX = 256  # callers choose what they are for

_NOTE = "view"
_BOOLEANS = {"": True, "true": True, "1": True, "false": False, "0": False}

# Other spellings of the same: Google's, and those of callers who write all names so.
_ALIASES = {
    "pretty": ("pretty", "prettyPrint"),
    "unset_fields": ("unset_fields", "unsetFields"),
    "enum_numbers": ("enum_numbers", "enumNumbers"),
    "proto_names": ("proto_names", "protoNames"),
}
# What `alt` may be, and whether enum values are numbers then. `sse` is for streams; see streams.py.
ALT = "alt"
_ALTS = {"json": False, "json;enum-encoding=int": True}
_STREAM_ALTS = _ALTS | {"sse": False, "sse;enum-encoding=int": True}
_PIECE = re.compile(r"`[^`]*`?|[(),]|\s+|[^`(),\s]+")


def compile(endpoint: Endpoint) -> Feature | None:
    """For all answers; what the policy says is put in place of the usual. Of raw data there are no views."""
    if is_raw(endpoint):
        return Feature("view", parameters={ALT: _take_alt(_ALTS, lambda _: None)})
    alts = _STREAM_ALTS if endpoint.method.server_streaming else _ALTS
    plan = endpoint.plan  # says what is wrong with the binding
    descriptor, field = endpoint.method.descriptor.output_type, endpoint.binding.response_body
    http = endpoint.method.policy.http
    usual = Options(http.unset_fields, http.enum_numbers, http.proto_names, nulls=http.lenient)
    if usual != PLAIN:
        plan.encode = writer(descriptor, field, usual)

    def apply(request: Request) -> None:
        asked = request.notes[_NOTE]
        options = replace(usual, **_options(asked))
        request.encode = _writer(
            descriptor, field, options, asked.get("fields", ""), pretty=asked.get("pretty", False)
        )

    takes: dict[str, Take] = {"fields": _take_fields(apply), ALT: _take_alt(alts, apply)}
    for name, spellings in _ALIASES.items():
        takes |= dict.fromkeys(spellings, _take_switch(name, apply))
    return Feature("view", parameters=takes)


def _options(asked: dict[str, Any]) -> dict[str, bool]:
    names = {"unset_fields": "unset", "enum_numbers": "enum_numbers", "proto_names": "proto_names"}
    return {option: asked[name] for name, option in names.items() if name in asked}


def _take_switch(name: str, apply: Callable[[Request], None]) -> Take:
    def take(request: Request, text: str) -> None:
        value = _BOOLEANS.get(text)
        if value is None:
            raise refusal([Violation(name, "Send true or false.", "http.view")])
        _note(request, name, value)
        apply(request)

    return take


def _take_alt(alts: dict[str, bool], apply: Callable[[Request], None]) -> Take:
    def take(request: Request, text: str) -> None:
        if text not in alts:
            raise refusal([Violation(ALT, f"Send one of: {', '.join(alts)}.", "http.view")])
        _note(request, ALT, text)
        if alts[text]:
            _note(request, "enum_numbers", True)
            apply(request)

    return take


def _take_fields(apply: Callable[[Request], None]) -> Take:
    def take(request: Request, text: str) -> None:
        try:
            _note(request, "fields", spread(text) if "(" in text or ")" in text else text)
            apply(request)
        except Unfit as unfit:
            request.notes.get(_NOTE, {}).pop("fields", None)  # it must not fail again with the next parameter
            named = [(f"{v.field}: " if v.field else "") + v.sentence for v in unfit.violations]
            raise refusal([Violation("fields", sentence, "http.view") for sentence in named]) from None

    return take


def _note(request: Request, name: str, value: Any) -> None:
    asked = request.notes.get(_NOTE)
    if asked is None:
        asked = {}
        request.notes[_NOTE] = asked
    if name in asked:
        raise refusal([Violation(name, "The parameter stands twice; send it once.", "http.twice")])
    asked[name] = value


def spread(text: str) -> str:
    """Paths without parentheses: `id,items(id,owner(name))` is `id,items.id,items.owner.name`.

    Raises:
        Unfit: A parenthesis has no other, or nothing before it or in it; or it is too long.
    """
    paths: list[str] = []
    above = [""]
    path, closed, size = "", False, 0
    for piece in [*_PIECE.findall(text), ","]:
        if piece.isspace():
            path += piece if path else ""
            continue
        if piece not in ("(", ")", ","):
            if closed:
                raise Unfit("Send a comma behind a closing parenthesis.")
            path += piece
            continue
        path = path.rstrip()
        if piece == "(":
            if not path or closed or len(above) > STEPS_MAX:
                raise Unfit("Send the name of a field before each opening parenthesis, such as items(id).")
            above.append(f"{above[-1]}{path}.")
        elif not closed:
            if not path:
                raise Unfit("Send names of fields with commas between them.")
            paths.append(above[-1] + path)
            size += len(paths[-1]) + 1
        if size > TEXT_MAX:
            raise Unfit(f"Send at most {TEXT_MAX} characters.")
        path, closed = "", piece == ")"
        if closed:
            above.pop()
        if not above:
            raise Unfit("Send an opening parenthesis for each closing one.")
    if len(above) > 1:
        raise Unfit("Send a closing parenthesis for each opening one.")
    return ",".join(paths)


@lru_cache(WRITERS_KEPT_MAX)
def _writer(
    descriptor: Descriptor, name: str, options: Options, fields: str, *, pretty: bool
) -> Callable[[Message], bytes]:
    """Raises Unfit: `fields` names what is no field of the answer."""
    return writer(descriptor, name, options, _mask(descriptor, name, fields), pretty=pretty)


def _mask(descriptor: Descriptor, name: str, fields: str) -> Mask:
    if not fields or not name:
        return read_view(fields, descriptor)
    below = read_view(",".join(f"{name}.{path}" for path in fields.split(",")), descriptor)
    assert below is not None, "each path begins with the name of a field"
    return below[name]
