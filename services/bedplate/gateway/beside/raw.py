"""Bodies that are data of any type and no JSON: `google.api.HttpBody`, in both directions."""

import re
from typing import Any

from google.protobuf.message import Message

from bedplate.gateway.beside.negotiate import is_raw, takes_raw
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.gateway.transcode import Plan

DATA = "application/octet-stream"

# What a handler says of its data becomes a header, so it must be a media type and nothing else.
_TCHAR = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf'{_TCHAR}/{_TCHAR}( *; *{_TCHAR}=({_TCHAR}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*')
_CHARS_MAX = 256


def media_type(text: str) -> str:
    """A content type as a header may tell it."""
    return text if len(text) <= _CHARS_MAX and _MEDIA_TYPE.fullmatch(text) else DATA


def compile(endpoint: Endpoint) -> Feature | None:
    """For bindings whose body or answer is an HttpBody."""
    answers = is_raw(endpoint)
    if takes_raw(endpoint):
        endpoint.plan = _RawPlan(endpoint.method.descriptor, endpoint.binding, endpoint.template)
    elif not answers:
        return None
    if not answers:
        return Feature("raw")
    name = endpoint.binding.response_body

    def held(message: Any) -> Any:
        return getattr(message, name) if name else message

    def data(message: Message) -> bytes:
        return bytes(held(message).data)

    def tell(request: Request, response: Response) -> None:
        response.set("content-type", media_type(held(response.message).content_type))

    endpoint.plan.encode = data
    return Feature("raw", reply=None if endpoint.method.server_streaming else tell)


class _RawPlan(Plan):
    """A plan whose body is taken as it is."""

    def _from_body(self, request: Request) -> Message:
        held = {"content_type": request.headers.get("content-type", ""), "data": request.body}
        return self._class(**(held if self._body == "*" else {self._body: held}))
