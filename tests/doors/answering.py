"""An answer as it is on every door, read as a stranger reads it."""

import base64
import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bedplate.gateway.problem import http_status

Violations = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        code: Name of the gRPC code.
        http_status: The HTTP status; 0 on other doors.
        reason: The refusal's reason; empty: the call succeeded.
        domain: Whose reason it is.
        sentence: The refusal's sentence.
        violations: Fields and what is wrong with them, in order.
        facts: The reason's metadata.
        whole: All of it, as text.
    """

    code: str
    http_status: int = 0
    reason: str = ""
    domain: str = ""
    sentence: str = ""
    violations: Violations = ()
    facts: tuple[tuple[str, str], ...] = ()
    whole: str = ""

    @property
    def told(self) -> tuple[object, ...]:
        """What must be the same on every door."""
        return self.code, self.reason, self.domain, self.sentence, self.violations, self.facts


OK = Answer("OK")


def from_status(status: status_pb2.Status) -> Answer:
    """What a google.rpc.Status says."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        any_pb2.Any.CopyFrom(packed := any_pb2.Any(), detail)
        if not packed.Unpack(info):
            packed.Unpack(bad)
    return Answer(
        code_pb2.Code.Name(status.code),
        0,
        info.reason,
        info.domain,
        status.message,
        tuple((v.field, v.description) for v in bad.field_violations),
        tuple(sorted(info.metadata.items())),
        str(status),
    )


def from_error(error: grpc.RpcError) -> Answer:
    """What an error of grpcio says; its trailers hold the status."""
    call: Any = error
    code, sentence = call.code().name, call.details() or ""
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            answer = from_status(status_pb2.Status.FromString(value))
            assert (answer.code, answer.sentence) == (code, sentence)
            return answer
    return Answer(code, sentence=sentence, whole=f"{code}: {sentence}")


def from_http(status: int, body: bytes) -> Answer:
    """What an HTTP response says."""
    if status < 300:
        return Answer("OK", status, whole=body.decode())
    problem = json.loads(body)
    assert problem["status"] == status
    return Answer(
        problem["code"],
        status,
        problem["reason"],
        problem["domain"],
        problem["detail"],
        tuple((v["field"], v["description"]) for v in problem.get("violations", ())),
        tuple(sorted(problem.get("metadata", {}).items())),
        body.decode(),
    )


def from_connect(status: int, told: dict[str, Any]) -> Answer:
    """What an error of Connect's says; 0: who tells it does not tell the status."""
    made = status_pb2.Status(code=code_pb2.Code.Value(told["code"].upper()), message=told["message"])
    for detail in told["details"]:
        packed = made.details.add(type_url=f"type.googleapis.com/{detail['type']}")
        packed.value = _unpadded(detail["value"])
    answer = from_status(made)
    assert status in (0, http_status(answer.code, "", ""))
    return replace(answer, whole=answer.whole + json.dumps(told))


def from_grpc_web(body: bytes) -> Answer:
    """What the end of an answer of gRPC-Web says."""
    while body[0] != 0x80:
        body = body[5 + int.from_bytes(body[1:5], "big") :]
    told = dict(line.split(": ", 1) for line in body[5:].decode("ascii").splitlines())
    if told["grpc-status"] == "0":
        return OK
    answer = from_status(status_pb2.Status.FromString(_unpadded(told["grpc-status-details-bin"])))
    assert (str(code_pb2.Code.Value(answer.code)), answer.sentence) == (
        told["grpc-status"],
        unquote(told["grpc-message"]),
    )
    return replace(answer, whole=answer.whole + body.decode("ascii", "replace"))


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


# What an answer must never hold: our insides, or words that only programmers of this server know.
_LEAKS = re.compile(
    r"Traceback|Exception|Error\b|\.py\b|line \d+, in |sqlite|psycopg|sqlalchemy|asyncio|NoneType|"
    r"object at 0x|regex|item\(s\)|\bNone\b|\bdict\b|\bstr\b|upb|DecodeError",
)
_INTERNAL = {"INTERNAL", "UNKNOWN", "DATA_LOSS"}


def check_answer(answer: Answer, secrets: tuple[str, ...]) -> None:
    """A refusal is no fault of ours, in plain words, and gives nothing away."""
    assert answer.code not in _INTERNAL, answer
    assert answer.http_status < 500 or answer.http_status in (501, 503, 504), answer
    assert answer.reason, answer
    assert not _LEAKS.search(answer.whole), _LEAKS.search(answer.whole)
    for secret in secrets:
        assert secret not in answer.whole
    for sentence in (answer.sentence, *(text for _, text in answer.violations)):
        check_wording(sentence)


def check_wording(sentence: str) -> None:
    """It reads as a sentence: it begins like one, ends like one, and has no gaps."""
    assert re.match(r"[A-Z`']|\S*: [A-Z`'\d]|\S+ (is|may|has|never|cannot) |\d", sentence), sentence
    assert re.search(r"[.?]( \(and \d+ more\))?$", sentence), sentence
    assert "  " not in sentence
    assert ".." not in sentence
