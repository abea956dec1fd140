"""A call in the words of every door: raw protobuf, and an HTTP request by the method's own rule."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from bedplate.ledger.v1 import ledger_pb2
from bedplate.rates.v1 import rates_pb2

METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for file in (ledger_pb2, rates_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Http:
    """A request over HTTP; `headers` may replace the usual ones, with `-` for none."""

    verb: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A call.

    Attributes:
        path: The method, `/package.Service/Method`.
        wire: The request in protobuf; None: it cannot be said so.
        http: The request over HTTP; None: it cannot be said so.
        key: The caller's key; empty: none.
        late: Whether its deadline has passed when it arrives.
    """

    path: str
    wire: bytes | None = None
    http: Http | None = None
    key: str = ""
    late: bool = False


def said(request: Message, key: str) -> Ask:
    """A request message as it is said on every door."""
    method = METHODS[request.DESCRIPTOR.name.removesuffix("Request")]
    path = f"/{method.containing_service.full_name}/{method.name}"
    return Ask(path, request.SerializeToString(), transcoded(request), key)


def transcoded(request: Message) -> Http:
    """A request by the http rule of its method, with the names that JSON has."""
    method = METHODS[request.DESCRIPTOR.name.removesuffix("Request")]
    http: Any = annotations_pb2.http
    rule = method.GetOptions().Extensions[http]
    verb = rule.WhichOneof("pattern")
    template: str = getattr(rule, verb)
    fields = MessageToDict(request, preserving_proto_field_name=True)
    target = _VARIABLE.sub(lambda found: quote(str(fields.pop(found[1], "")), safe=""), template)
    if rule.body == "*":
        return Http(verb.upper(), target, json.dumps(fields).encode())
    body = json.dumps(fields.pop(rule.body)).encode() if rule.body else None
    query = urlencode(list(_flat(fields, "")), doseq=True)
    return Http(verb.upper(), f"{target}?{query}" if query else target, body)


def _flat(fields: dict[str, Any], prefix: str) -> Any:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value).lower() if isinstance(value, bool) else value


def raw(request: Message, key: str, *, wire: bytes | None = None, body: bytes | None = None) -> Ask:
    """As `said`, with payloads of one's own: a door that gets none is left out."""
    ask = said(request, key)
    http = replace(ask.http, body=body) if ask.http is not None and body is not None else None
    return replace(ask, wire=wire, http=http)
