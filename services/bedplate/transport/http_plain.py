"""Reads the head of a plain request, without the parser.

Nearly every request is one line, a few headers that everybody sends, and a body of
a known length. Such a head is read here by one pattern, for less than half of what
the parser and its calls into Python cost. What is taken is a part of what
`http_reader.Reader` takes, and becomes the same; all else its parser sees from the
first byte. So nothing is refused here: whatever is odd, is for the connection rather
than for the request, or would be refused, is simply not plain.
"""

import re

# A longer head has so many headers that the parser is as quick, and no setting allows
# less than this. Bytes.
PLAIN_MAX = 1024
_LINES_MAX = 50

# RFC 9112, 3 and 5: of a target all that is printed but `#`; of a value all that is
# printed, with no space around it. `++`: what was taken is not given back, so that
# the time grows with the bytes and no faster.
_FIRST = r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/[!\"$->@-~]*+)(?:\?([!\"$-~]*+))? HTTP/1\.1\r\n"
_VALUE = r"[!-~][ -~]*+(?<! )"

# What is read, with its value, in the order of `read`. What is read and does not
# stand here makes a request none that is plain.
_READ = {
    "host": _VALUE,
    "content-length": "[0-9]{1,9}+",
    "content-type": _VALUE,
    "authorization": _VALUE,
    "accept": _VALUE,
    "accept-encoding": _VALUE,
    "connection": "[Kk]eep-[Aa]live",
    "idempotency-key": _VALUE,
    "origin": _VALUE,
    "traceparent": _VALUE,
    "x-request-id": _VALUE,
    "x-forwarded-for": _VALUE,
}
# What many send and nobody reads.
UNREAD = (
    *("accept-language", "cache-control", "cookie", "pragma", "referer", "sec-fetch-dest", "sec-fetch-mode"),
    *(
        "sec-fetch-site",
        "tracestate",
        "user-agent",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
    ),
)


def _spelled(name: str) -> str:
    """A pattern of a name as it is usually written, such as `Content-Type`, `X-Request-ID` or in small."""
    parts = name.split("-")
    either = [[f"[{letter.upper()}{letter}]" for letter in part] for part in parts]
    return "-".join(
        "".join(letters) if len(part) == 2 else letters[0] + part[1:]
        for part, letters in zip(parts, either, strict=True)
    )


def _pattern() -> re.Pattern[str]:
    """Groups: method, path, query, then the values of _READ; none of these stands twice."""
    lines = [
        f"{_spelled(name)}: (?({group})(?!))({value})" for group, (name, value) in enumerate(_READ.items(), 4)
    ]
    lines.append(f"(?:{'|'.join(map(_spelled, UNREAD))}): {_VALUE}")
    return re.compile(rf"{_FIRST}(?:(?:{'|'.join(lines)})\r\n){{1,{_LINES_MAX}}}\r\n")


_match = _pattern().match


def read(data: bytes, forwarded_read: bool) -> tuple[str, str, str, dict[str, str], int, int] | None:
    """Read the head that bytes begin with; None: it is not plain, or not whole.

    Args:
        data: What came.
        forwarded_read: Whether `x-forwarded-for` is one of the headers that are read.

    Returns:
        Method, path, query, headers by lower-case name, how large the body is, and where
        it begins. There is a `host`, of which no more is known than that it is printed.
    """
    found = _match(data[:PLAIN_MAX].decode("latin-1"))
    if found is None:
        return None
    (
        method,
        path,
        query,
        host,
        length,
        kind,
        key,
        accept,
        coding,
        keep,
        once,
        origin,
        trace,
        own_id,
        forwarded,
    ) = found.groups()
    if host is None:
        return None
    headers = {"host": host}
    if length is not None:
        headers["content-length"] = length
    if kind is not None:
        headers["content-type"] = kind
    if key is not None:
        headers["authorization"] = key
    if accept is not None:
        headers["accept"] = accept
    if coding is not None:
        headers["accept-encoding"] = coding
    if keep is not None:
        headers["connection"] = keep
    if once is not None:
        headers["idempotency-key"] = once
    if origin is not None:
        headers["origin"] = origin
    if trace is not None:
        headers["traceparent"] = trace
    if own_id is not None:
        headers["x-request-id"] = own_id
    if forwarded is not None and forwarded_read:
        headers["x-forwarded-for"] = forwarded
    return method, path, query or "", headers, int(length or 0), found.end()
