"""What the content type of a request says: its protocol, and the form of its messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import quality
from bedplate.gateway.beside.negotiate import noted
from bedplate.gateway.exchange import Request

CONNECT, GRPC_WEB = "connect", "grpc-web"

_TEXT = "application/grpc-web-text"
_UTF_8 = ("utf-8", "utf8")
_HEADER_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write a call.

    Attributes:
        protocol: `connect` or `grpc-web`.
        content_type: Of its requests and of their answers.
        json: Whether messages are JSON; else they are protobuf's bytes.
        enveloped: Whether each message has its flags and its length before it.
        text: Whether all of it is in base64.
    """

    protocol: str
    content_type: str
    json: bool = False
    enveloped: bool = True
    text: bool = False

    @property
    def encoding_header(self) -> str:
        """The header that names the compression of messages."""
        if not self.enveloped:
            return "content-encoding"
        return "grpc-encoding" if self.protocol == GRPC_WEB else "connect-content-encoding"

    @property
    def accept_header(self) -> str:
        """The header that names what the caller reads of it."""
        if not self.enveloped:
            return "accept-encoding"
        return "grpc-accept-encoding" if self.protocol == GRPC_WEB else "connect-accept-encoding"

    def serves(self, *, stream: bool) -> bool:
        """Whether methods are called so whose responses are a stream, or are not."""
        return self.protocol == GRPC_WEB or self.enveloped == stream


def _dialects() -> Iterator[Dialect]:
    for name, json in (("proto", False), ("json", True)):
        yield Dialect(CONNECT, f"application/{name}", json, enveloped=False)
        yield Dialect(CONNECT, f"application/connect+{name}", json)
    for suffix, json in (("", False), ("+proto", False), ("+json", True)):
        yield Dialect(GRPC_WEB, f"application/grpc-web{suffix}", json)
        yield Dialect(GRPC_WEB, f"{_TEXT}{suffix}", json, text=True)


DIALECTS = {dialect.content_type: dialect for dialect in _dialects()}


def find(content_type: str) -> Dialect | None:
    """The dialect of a content type; None: it is of none."""
    return DIALECTS.get(content_type) or (
        _read(content_type) if len(content_type) <= _HEADER_CHARS_MAX else None
    )


@lru_cache(256)
def _read(content_type: str) -> Dialect | None:
    try:
        name, parameters = quality.named(content_type)
    except ValueError:
        return None
    charset = [value for key, value in parameters if key == "charset"]
    if charset and (len(charset) > 1 or charset[0] not in _UTF_8):
        return None
    return DIALECTS.get(name)


def of(request: Request, *, stream: bool) -> Dialect:
    """The dialect of a request whose message comes in its body.

    Raises:
        Refusal: CONTENT_TYPE_UNSUPPORTED: it is of none in which such a method is called.
    """
    found = find(request.headers.get("content-type", ""))
    if found is not None and found.serves(stream=stream):
        return found
    listed = ", ".join(name for name, dialect in DIALECTS.items() if dialect.serves(stream=stream))
    noted(request, ("accept-post", listed))
    raise Refusal(
        Kind.INVALID,
        "CONTENT_TYPE_UNSUPPORTED",
        f"This call takes none of this content-type; send one of: {listed}.",
        accept=listed,
    )


def answers(request: Request, dialect: Dialect) -> Dialect:
    """The dialect of the answer: callers of gRPC-Web may ask for text, or for none, whatever they send."""
    accept = request.headers.get("accept", "")
    if dialect.protocol != GRPC_WEB or "grpc-web" not in accept:
        return dialect
    text = _TEXT in accept
    if text == dialect.text:
        return dialect
    suffix = dialect.content_type.removeprefix(_TEXT if dialect.text else "application/grpc-web")
    return DIALECTS[f"{_TEXT if text else 'application/grpc-web'}{suffix}"]
