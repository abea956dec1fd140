"""Compares an answer with what a case wants of it."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format

from tests.gateway.conformance import contract
from tests.gateway.conformance.wire import Answer

PROBLEM = "application/problem+json"
PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "reason", "domain"}

# What no answer may show: the language, the libraries, the machine, or a secret.
_INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|line \d+, in |site-packages|strconv\.|goroutine|google\.protobuf\.pyext"
    r"|(?:Type|Value|Key|Runtime|Attribute|Unicode\w*)Error|Exception\b|0x[0-9a-f]{8,}|hunter2|postgresql://"
    r"|asyncio|httptools|grpc\._|orjson|upb\b"
)
_NUMBERS = (int, float)


class Twice(Exception):
    """A JSON object has a key twice."""


def load(text: str | bytes) -> Any:
    """JSON, each key once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise Twice(str(pairs))
        return made

    return json.loads(text, object_pairs_hook=once)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: 1 is 1.0, since JSON has one sort of numbers, and is not true."""
    if type(one) in _NUMBERS and type(other) in _NUMBERS:
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def holds(whole: Any, part: Any) -> bool:
    """Whether a JSON value has all that another has; lists are compared whole."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], part[key]) for key in part)
    return equal(whole, part)


def differences(answer: Answer, wants: Mapping[str, Any], *, house: bool) -> Iterator[str]:
    """What an answer lacks of what is wanted, as sentences.

    Args:
        answer: What came.
        wants: What the case says, without what concerns the connection.
        house: Whether the rules hold that bedplate keeps in every answer; other
            gateways are asked for status and messages only.
    """
    statuses = wants["status"] if isinstance(wants["status"], list) else [wants["status"]]
    if answer.status not in statuses:
        yield f"status {answer.status} came, not {wants['status']}"
    yield from _message(answer, wants)
    if house:
        yield from _house(answer)
        yield from _problem(answer, wants)
        yield from _headers(answer, wants)


def _message(answer: Answer, wants: Mapping[str, Any]) -> Iterator[str]:
    body = answer.body.decode("utf-8", "replace")
    if "text" in wants and body != wants["text"]:
        yield f"the body is not {wants['text']!r}"
    if "hex" in wants and answer.body.hex() != wants["hex"].replace(" ", ""):
        yield f"the body is {answer.body.hex()}, not {wants['hex']}"
    if "ndjson" in wants:
        lines = [load(line) for line in body.splitlines()]
        if not equal(lines, load(wants["ndjson"])):
            yield f"the body's lines are {lines}, not {wants['ndjson']}"
    if not {"json", "json_has", "seen", "method", "metadata", "no_metadata", "remaining"} & set(wants):
        return
    try:
        document = load(answer.body)
    except (ValueError, Twice) as error:
        yield f"the body is no JSON: {error}"
        return
    if "json" in wants and not equal(document, load(wants["json"])):
        yield f"the body is {body[:200]}, not {wants['json']}"
    if "json_has" in wants and not holds(document, load(wants["json_has"])):
        yield f"the body is {body[:600]} and does not have {wants['json_has']}"
    if {"seen", "method", "metadata", "no_metadata", "remaining"} & set(wants) and answer.status < 300:
        yield from _seen(document, wants)


def _seen(document: Any, wants: Mapping[str, Any]) -> Iterator[str]:
    document = document.get("seen", document)
    seen = json_format.ParseDict(document, contract.Seen())
    if "method" in wants and seen.method != wants["method"]:
        yield f"the method {seen.method} was called, not {wants['method']}"
    if "seen" in wants:
        wanted = json_format.Parse(wants["seen"], contract.message(seen.type)())
        got = contract.message(seen.type).FromString(seen.request)
        shown = _shown(got)
        # Not a number has many patterns of bits, and only one text.
        if seen.request != wanted.SerializeToString(deterministic=True) and shown != _shown(wanted):
            yield f"the method saw {shown}, not {wants['seen']}"
    metadata = dict(seen.metadata)
    for name, value in wants.get("metadata", {}).items():
        if not _fits(metadata.get(name, ""), value):
            yield f"the metadata {name} is {metadata.get(name)!r}, not {value!r}"
    for name in wants.get("no_metadata", ()):
        yield from (f"the metadata {found} came through" for found in metadata if re.fullmatch(name, found))
    if "remaining" in wants:
        low, high = wants["remaining"]
        if not low <= seen.remaining_s <= high:
            yield f"the method has {seen.remaining_s} s, not {low} to {high}"


def _shown(message: Any) -> str:
    return json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True, sort_keys=True)


def _headers(answer: Answer, wants: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wants.get("has", {}).items():
        if not answer.all(name):
            yield f"the header {name} is missing"
        elif not _fits(answer.get(name), value):
            yield f"the header {name} is {answer.get(name)!r}, not {value!r}"
    for name in wants.get("lacks", ()):
        if answer.all(name):
            yield f"the header {name} is there: {answer.get(name)!r}"
    if "matches" in wants and not re.search(wants["matches"], answer.body.decode("utf-8", "replace"), re.S):
        yield f"the body does not match {wants['matches']!r}"
    if "events" in wants:
        events = _events(answer.body.decode())
        wanted = load(wants["events"])
        if len(events) != len(wanted) or not all(map(holds, events, wanted)):
            yield f"the events are {events}, not {wanted}"
    if wants.get("continues", False) != (100 in answer.interim):
        yield "100 Continue came" if 100 in answer.interim else "100 Continue did not come"


def _fits(value: str, wanted: str) -> bool:
    """Whether a value is what is wanted: the same, or after a tilde a pattern for it."""
    if wanted.startswith("~"):
        return re.fullmatch(wanted[1:], value) is not None
    return value == wanted


def _events(text: str) -> list[dict[str, Any]]:
    """The events of a text/event-stream; data as JSON where it is JSON."""
    events = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        event: dict[str, Any] = {}
        for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            event[name] = f"{event[name]}\n{value}" if name in event else value
        with contextlib.suppress(ValueError):
            event["data"] = load(event.get("data", ""))
        events.append(event)
    return events


def _problem(answer: Answer, wants: Mapping[str, Any]) -> Iterator[str]:
    asked = {"reason", "fields", "rules", "says"} & set(wants)
    if answer.get("content-type") != PROBLEM:
        if asked:
            yield f"{answer.get('content-type')!r} came, which is no problem"
        return
    if not answer.body:  # to a HEAD
        return
    problem = load(answer.body)
    missing = PROBLEM_KEYS - set(problem)
    if missing or problem["status"] != answer.status:
        yield f"the problem lacks {missing}, or its status is not {answer.status}"
        return
    violations = problem.get("violations", [])
    if "reason" in wants and problem["reason"] != wants["reason"]:
        yield f"the reason is {problem['reason']}, not {wants['reason']}"
    for key, name in (("fields", "field"), ("rules", "rule")):
        found = [violation[name] for violation in violations]
        if key in wants and found != wants[key]:
            yield f"the violations' {key} are {found}, not {wants[key]}"
    said = " | ".join([problem["detail"], *(violation["description"] for violation in violations)])
    for pattern in wants.get("says", ()):
        if not re.search(pattern, said):
            yield f"{said!r} does not say {pattern!r}"


def _house(answer: Answer) -> Iterator[str]:
    """What holds of every answer."""
    whole = answer.body.decode("utf-8", "replace") + repr(answer.headers)
    found = _INTERNALS.search(whole)
    if found and answer.status >= 400:
        yield f"the answer shows what is inside: {found[0]!r}"
    names = [name for name, _ in answer.headers]
    for name in set(names):
        if names.count(name) > 1 and name not in ("vary", "link", "set-cookie"):
            yield f"the header {name} stands twice"
    if "server" in names or "x-powered-by" in names:
        yield "the answer says what serves it"
    if "date" not in names:
        yield "the answer has no date"
    if answer.status in (204, 304):
        return
    if answer.get("x-content-type-options") != "nosniff":
        yield "the answer lets browsers guess at its type"
    if "frame-ancestors 'none'" not in answer.get("content-security-policy"):
        yield "the answer may be shown within other pages"
    if answer.status >= 400 and answer.get("content-type") != PROBLEM:
        yield f"a failure is told as {answer.get('content-type')!r}"
