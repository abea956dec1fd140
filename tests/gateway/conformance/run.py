"""Runs cases against a target."""

import gzip
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.gateway.conformance.cases import Case, Exchange, expand
from tests.gateway.conformance.compare import differences, load
from tests.gateway.conformance.wire import PATIENCE_S, Answer, Connection, WireError

# How often something is asked for that must hold in the end, seconds.
AGAIN_S = 0.01


@dataclass(frozen=True, slots=True)
class Target:
    """What is tested.

    Attributes:
        name: By which cases name it.
        address: Where it listens, `host:port`.
        key: The usual key of the caller.
        house: Whether it is ours: whether the rules for all answers hold.
    """

    name: str
    address: str
    key: str = "conformance-key"
    house: bool = True


class Run:
    """One case against one target."""

    def __init__(self, target: Target, case: Case) -> None:
        self._target = target
        self._case = case
        self._connections: dict[str, Connection] = {}
        # A name that no other run of the case had: some servers serve several targets.
        self._saved = {"run": secrets.token_hex(8)}

    def failures(self) -> list[str]:
        """What is not as the case says; empty: it passes."""
        try:
            for number, exchange in enumerate(self._case.exchanges, 1):
                try:
                    found = self._until(exchange)
                except WireError as error:
                    found = [str(error)]
                if found:
                    return [f"request {number}: {sentence}" for sentence in found]
            return []
        finally:
            for connection in self._connections.values():
                connection.close()

    def _until(self, exchange: Exchange) -> list[str]:
        found = self._exchange(exchange)
        ends = time.monotonic() + PATIENCE_S
        while found and exchange.asks.get("eventually") and time.monotonic() < ends:
            time.sleep(AGAIN_S)  # the other side gives no signal
            found = self._exchange(exchange)
        return found

    def _exchange(self, exchange: Exchange) -> list[str]:
        asks, wants = exchange.asks, exchange.wants
        name = asks.get("connection", "main")
        connection = self._connections.get(name)
        if connection is None:
            connection = self._connections[name] = Connection(self._target.address)
        connection.send(request_bytes(asks, self._target.key, self._saved))
        answer = None
        if "status" in wants:
            head_only = asks.get("call", "").startswith("HEAD ")
            answer = connection.answer(head_only=head_only, take=asks.get("take", 0))
        if asks.get("cut"):
            connection.close()
            del self._connections[name]
        return list(self._check(connection, answer, exchange)) if answer is not None else []

    def _check(self, connection: Connection, answer: Answer, exchange: Exchange) -> Iterator[str]:
        asks, wants = exchange.asks, self._wants(exchange.wants)
        yield from differences(answer, wants, house=self._target.house)
        if not answer.complete and not wants.get("incomplete") and "take" not in asks:
            yield "the answer ends before its end"
        if answer.complete and wants.get("incomplete"):
            yield "the answer looks complete and is not"
        if wants.get("closes") and not connection.at_end():
            yield "the connection stays open"
        if wants.get("closes") is False and answer.get("connection") == "close":
            yield "the connection closes"
        for key, place in asks.get("save", {}).items():
            kind, _, name = place.partition(":")
            self._saved[key] = answer.get(name) if kind == "header" else str(_at(load(answer.body), name))

    def _wants(self, wants: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self._expanded(value) for key, value in wants.items()}

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._expanded(each) for key, each in value.items()}
        return expand(value, self._saved) if isinstance(value, str) and "${" in value else value


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[step]
    return document


def request_bytes(asks: Mapping[str, Any], key: str, saved: Mapping[str, str]) -> bytes:
    """The bytes that an exchange sends."""
    if "send" in asks:
        return expand(asks["send"], saved).encode("latin-1")
    if "send_hex" in asks:
        return bytes.fromhex(asks["send_hex"])
    if "call" not in asks and "lines" not in asks:
        return b""
    body = _body(asks, saved)
    if "lines" in asks:
        lines = [expand(line, saved) for line in asks["lines"]]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
    lines = [f"{expand(asks['call'], saved)} HTTP/{asks.get('http', '1.1')}"]
    headers: dict[str, Any] = {"host": "conformance.test"}
    if asks.get("key"):
        headers["authorization"] = f"Bearer {key if asks['key'] is True else asks['key']}"
    if body is not None:
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
    if "compress" in asks:
        headers["content-encoding"] = asks["compress"]
    headers |= asks.get("headers", {})
    for name, value in headers.items():
        if value is not False:
            values = value if isinstance(value, list) else [value]
            lines += [f"{name}: {expand(each, saved)}" for each in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _body(asks: Mapping[str, Any], saved: Mapping[str, str]) -> bytes | None:
    if "body_hex" in asks:
        body = bytes.fromhex(asks["body_hex"])
    elif "body" in asks:
        body = expand(asks["body"], saved).encode()
    else:
        return None
    if asks.get("compress") == "gzip":
        body = gzip.compress(body, mtime=0)
    return body


def show(exchange: Exchange) -> str:
    """An exchange on one line, for people."""
    return json.dumps({**exchange.asks, **exchange.wants}, ensure_ascii=False)
