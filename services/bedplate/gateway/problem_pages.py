"""What the type of a problem leads to: `/problems/<reason>`, for programs and for people."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import orjson
from google.protobuf.descriptor import FileDescriptor

from bedplate.contract import reasons
from bedplate.contract.reasons import Reason
from bedplate.gateway.beside.negotiate import best
from bedplate.gateway.exchange import Page, PageResponse, Request, Response, header_lines
from bedplate.gateway.problem import PROBLEMS, http_status, title

HTML = "text/html; charset=utf-8"

# The page loads nothing, runs nothing and stands in no frame; its style is in it.
SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.5rem}dt{font-weight:600}dd{margin:0 0 .75rem}code{background:#f2f2f2;padding:0 .25rem}"
)
_PAGE = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    "<h1>{title}</h1>\n<p><code>{reason}</code></p>\n{meanings}</body>\n</html>\n"
)
_MEANING = (
    "<dl>\n<dt>What to do</dt><dd>{help}</dd>\n<dt>Status</dt><dd>{status}, {code}</dd>\n"
    "<dt>Would the same request help later?</dt><dd>{retryable}</dd>\n"
    "<dt>Said by</dt><dd><code>{domain}</code></dd>\n</dl>\n"
)
_OFFERS = ("application/json", "text/html")


def pages(files: Iterable[FileDescriptor]) -> Mapping[str, Page]:
    """What answers GET, by path: a page for each reason of the platform and of these files.

    People's browsers ask for `text/html` and get it; who says nothing gets JSON.
    """
    return {path: _choice(body) for path, body in documents(files).items()}


def documents(files: Iterable[FileDescriptor]) -> dict[str, bytes]:
    """What `/problems/<reason>` tells, by path: each reason of the platform and of these files.

    A reason that two services declare has one page that lists both.
    """
    declared: dict[str, list[Reason]] = {}
    for found in [reasons.platform(), *(reasons.of_file(file) for file in dict.fromkeys(files))]:
        for reason in found.values():
            declared.setdefault(reason.name, []).append(reason)
    return {
        f"{PROBLEMS}{name}": orjson.dumps(
            {
                "reason": name,
                "title": title(name),
                "meanings": [
                    {
                        "domain": reason.domain,
                        "code": reason.code,
                        "status": http_status(reason.code, reason.name, reason.domain),
                        "retryable": reason.retryable,
                        "help": reason.help,
                    }
                    for reason in meanings
                ],
            }
        )
        for name, meanings in declared.items()
    }


def _choice(body: bytes) -> Page:
    headers = [("cache-control", "no-store"), ("vary", "accept")]
    as_json = Response(200, header_lines([("content-type", "application/json"), *headers]), body)
    policy = ("content-security-policy", SECURITY_POLICY)
    shown = PageResponse(
        200, header_lines([("content-type", HTML), policy, *headers]), html(orjson.loads(body))
    )

    def choose(request: Request) -> Response:
        try:
            wanted = best(request.headers.get("accept", ""), _OFFERS)
        except ValueError:
            wanted = ""  # a page that explains a mistake is no place to be strict
        return shown if wanted == "text/html" else as_json

    return choose


def html(document: Mapping[str, Any]) -> bytes:
    """The page of a reason, of what `documents` says of it."""
    meanings = "".join(
        _MEANING.format(
            help=escape(meaning["help"]) or "The problem's detail says what is wrong.",
            status=meaning["status"],
            code=escape(meaning["code"]),
            retryable="Yes." if meaning["retryable"] else "No.",
            domain=escape(meaning["domain"]),
        )
        for meaning in document["meanings"]
    )
    title, reason = escape(document["title"]), escape(document["reason"])
    return _PAGE.format(title=title, reason=reason, meanings=meanings, style=_STYLE).encode()
