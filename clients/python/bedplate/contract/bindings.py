"""How methods are called over HTTP: what `google.api.http` says of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.policy import PolicyError

_HTTP_METHOD = re.compile(r"\*|[A-Z][A-Z-]*")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method over HTTP.

    Attributes:
        http_method: Such as `GET`, or `*` for any.
        path: The template's text.
        body: `*`, the name of a field, or empty for no body.
        response_body: The name of the field that is answered; empty for the whole response.
    """

    http_method: str
    path: str
    body: str
    response_body: str


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """The HTTP bindings of a method: its rule and the rule's additional bindings; none without a rule.

    Raises:
        PolicyError: A rule has no path, an unusable HTTP method, or additional
            bindings inside additional bindings.
    """
    extension: Any = annotations_pb2.http  # its generated type is too wide for pyright
    options = method.GetOptions()
    if not options.HasExtension(extension):
        return
    rule: http_pb2.HttpRule = options.Extensions[extension]
    yield _binding(method, rule)
    for additional in rule.additional_bindings:
        if additional.additional_bindings:
            raise PolicyError(
                f"{method.full_name}: additional_bindings may not have additional_bindings; "
                "write them side by side."
            )
        yield _binding(method, additional)


def _binding(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise PolicyError(
            f'{method.full_name}: its http rule names no path; write, for example, get: "/v1/things/{{id}}".'
        )
    if kind == "custom":
        http_method, path = rule.custom.kind, rule.custom.path
    else:
        http_method, path = kind.upper(), getattr(rule, kind)
    if not _HTTP_METHOD.fullmatch(http_method):
        raise PolicyError(
            f"{method.full_name}: {http_method!r} is no HTTP method; write it in capitals, or * for any."
        )
    if http_method == "CONNECT":
        raise PolicyError(f"{method.full_name}: CONNECT is for proxies, not for calls; take another.")
    return Binding(http_method, path, rule.body, rule.response_body)
