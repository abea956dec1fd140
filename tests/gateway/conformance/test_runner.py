"""The runner finds what is wrong: every key of a case can fail, and a file that is wrong is refused."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from tests.gateway.conformance import cases, contract
from tests.gateway.conformance.cases import Case, CaseError, Exchange, expand
from tests.gateway.conformance.compare import differences, equal, holds
from tests.gateway.conformance.run import Run, Target, request_bytes
from tests.gateway.conformance.wire import Answer, Connection, WireError

HEADERS = [
    ("date", "x"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("content-type", "application/json"),
]
REQUEST = contract.message("RouteRequest")(a="x")


def answer(body, *, status=200, headers=(), kind="application/json"):
    given = [*HEADERS[:3], ("content-type", kind), *headers]
    return Answer(status, given, body if isinstance(body, bytes) else json.dumps(body).encode())


def seen(**more):
    return answer({"method": "Star", "type": "conformance.v1.RouteRequest", "request": "CgF4", **more})


def problem(**more):
    document = {
        "type": "/problems/X",
        "title": "X",
        "status": 400,
        "detail": "It is wrong.",
        "code": "INVALID_ARGUMENT",
        "reason": "X",
        "domain": "d",
        "violations": [{"field": "a", "description": "Send b.", "rule": "r"}],
        **more,
    }
    return answer(document, status=400, kind="application/problem+json")


HOLDS = [
    (seen(), {"status": 200, "method": "Star", "seen": '{"a": "x"}'}),
    (seen(metadata={"a-b": "c"}), {"status": [200, 201], "metadata": {"a-b": "c"}, "no_metadata": ["x-.*"]}),
    (seen(remainingS=2.5), {"status": 200, "remaining": [2, 3]}),
    (answer({"a": [1, {"b": None}]}), {"status": 200, "json": '{"a": [1.0, {"b": null}]}'}),
    (answer({"a": {"b": 1, "c": 2}}), {"status": 200, "json_has": '{"a": {"c": 2}}'}),
    (answer(b"x"), {"status": 200, "text": "x", "hex": "78", "matches": "^x$"}),
    (answer(b'{"a":1}\n{"b":2}\n'), {"status": 200, "ndjson": '[{"a": 1}, {"b": 2}]'}),
    (
        answer(b'data: {"a": 1}\nid: 1\n\n: beat\n\nevent: end\n\n'),
        {"status": 200, "events": '[{"data": {"a": 1}}, {"event": "end"}]'},
    ),
    (
        answer(b"", headers=[("etag", '"1"')]),
        {"status": 200, "has": {"etag": '~"[0-9]"'}, "lacks": ["location"]},
    ),
    (problem(), {"status": 400, "reason": "X", "fields": ["a"], "rules": ["r"], "says": ["wrong", "Send b"]}),
]

FAILS = [
    (seen(), {"status": 201}),
    (seen(), {"status": 200, "method": "Tail"}),
    (seen(), {"status": 200, "seen": '{"a": "y"}'}),
    (seen(), {"status": 200, "seen": "{}"}),
    (seen(metadata={"x-a": "c"}), {"status": 200, "no_metadata": ["x-.*"]}),
    (seen(), {"status": 200, "metadata": {"a": "b"}}),
    (seen(remainingS=3.5), {"status": 200, "remaining": [2, 3]}),
    (answer({"a": 1}), {"status": 200, "json": '{"a": true}'}),
    (answer({"a": 1}), {"status": 200, "json": '{"a": "1"}'}),
    (answer({"a": 1, "b": 2}), {"status": 200, "json": '{"a": 1}'}),
    (answer(b'{"a": 1, "a": 1}'), {"status": 200, "json": '{"a": 1}'}),
    (answer({"a": {"b": 1}}), {"status": 200, "json_has": '{"a": {"c": 2}}'}),
    (answer(b"x"), {"status": 200, "text": "y"}),
    (answer(b"x"), {"status": 200, "hex": "79"}),
    (answer(b"x"), {"status": 200, "matches": "y"}),
    (answer(b'{"a":1}\n'), {"status": 200, "ndjson": '[{"a": 1}, {"b": 2}]'}),
    (answer(b"data: 1\n\n"), {"status": 200, "events": '[{"data": 2}]'}),
    (answer(b""), {"status": 200, "has": {"etag": "x"}}),
    (answer(b"", headers=[("etag", "y")]), {"status": 200, "has": {"etag": "x"}}),
    (answer(b"", headers=[("etag", "y")]), {"status": 200, "lacks": ["etag"]}),
    (problem(), {"status": 400, "reason": "Y"}),
    (problem(), {"status": 400, "fields": ["b"]}),
    (problem(), {"status": 400, "rules": ["s"]}),
    (problem(), {"status": 400, "says": ["right"]}),
    (answer({}, status=400), {"status": 400}),
    (answer({}, status=400), {"status": 400, "reason": "X"}),
    (problem(status=500), {"status": 400}),
    (problem(detail="ValueError: x"), {"status": 400}),
    (problem(detail='File "/srv/app.py", line 3, in x'), {"status": 400}),
    (problem(detail="strconv.ParseInt: parsing"), {"status": 400}),
    (answer(b"", headers=[("server", "x")]), {"status": 200}),
    (answer(b"", headers=[("etag", "1"), ("etag", "2")]), {"status": 200}),
    (Answer(200, [("date", "x")]), {"status": 200}),
    (Answer(200, HEADERS[1:]), {"status": 200}),
    (Answer(200, HEADERS[:2]), {"status": 200}),
    (answer(b""), {"status": 200, "continues": True}),
]


@pytest.mark.parametrize(("found", "wants"), HOLDS)
def test_what_holds_has_no_differences(found, wants):
    assert list(differences(found, wants, house=True)) == []


@pytest.mark.parametrize(("found", "wants"), FAILS)
def test_what_does_not_hold_is_found(found, wants):
    assert list(differences(found, wants, house=True)) != []


def test_other_gateways_are_asked_for_status_and_message_only():
    found = Answer(400, [("server", "x")], b"no such thing")

    assert list(differences(found, {"status": 400, "reason": "X", "has": {"etag": "1"}}, house=False)) == []
    assert list(differences(found, {"status": 404}, house=False)) != []


def test_one_is_one_and_neither_true_nor_text():
    assert equal([1], [1.0])
    assert not equal(1, True)
    assert not equal(1, "1")
    assert not equal({"a": 1}, {"a": 1, "b": 1})
    assert holds({"a": 1, "b": 1}, {"a": 1})
    assert not holds({"a": [1, 2]}, {"a": [1]})


def test_texts_repeat_and_remember():
    assert expand("a${bc*3}d", {}) == "abcbcbcd"
    assert expand("a${tag}d", {"tag": "x"}) == "axd"
    with pytest.raises(CaseError):
        expand("${tag}", {})


def test_a_request_has_the_bytes_that_the_case_says():
    asks = {"call": "POST /x", "headers": {"host": False, "x-a": ["1", "2"]}, "key": True, "body": "{}"}

    assert request_bytes(asks, "k", {}) == (
        b"POST /x HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\nx-a: 1\r\nx-a: 2\r\n\r\n{}"
    )
    assert request_bytes({"send": "a\r\n\xff"}, "k", {}) == b"a\r\n\xff"
    assert request_bytes({"send_hex": "00ff"}, "k", {}) == b"\x00\xff"
    assert request_bytes({"lines": ["A", "b: c"], "body": "d"}, "k", {}) == b"A\r\nb: c\r\n\r\nd"


WRONG = {
    "no TOML": "[[case]",
    "no case": "# nothing",
    "no name": '[[case]]\ncall = "GET /"\nstatus = 200',
    "no request": '[[case]]\nname = "x"\nstatus = 200',
    "two requests": '[[case]]\nname = "x"\ncall = "GET /"\nsend = "x"\nstatus = 200',
    "no status": '[[case]]\nname = "x"\ncall = "GET /"',
    "an unknown key": '[[case]]\nname = "x"\ncall = "GET /"\nstatus = 200\nstatsu = 200',
    "a number past 42": '[[case]]\nname = "x"\nbehaviours = [43]\ncall = "GET /"\nstatus = 200',
    "targets without a reason": '[[case]]\nname = "x"\ntargets = ["bedplate"]\ncall = "GET /"\nstatus = 200',
    "a name twice": '[[case]]\nname = "x"\ncall = "GET /"\nstatus = 200\n' * 2,
    "keys above its exchanges": '[[case]]\nname = "x"\nstatus = 200\n[[case.exchange]]\ncall = "GET /"',
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_wrong_is_refused_with_its_name(tmp_path, monkeypatch, what):
    (tmp_path / "some.toml").write_text(WRONG[what])
    monkeypatch.setattr(cases, "FOLDER", tmp_path)

    with pytest.raises(CaseError, match="some"):
        cases.read()


@contextmanager
def server(*answers, close=True):
    """A server that sends these bytes, one piece for each request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            for data in answers:
                connection.recv(65536)
                connection.sendall(data)
            if not close:
                connection.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: x\r\nx-content-type-options: nosniff\r\n"
    b"content-security-policy: frame-ancestors 'none'\r\n"
)


def run(data, close=True, **wants):
    case = Case("g", "n", (), (Exchange({"call": "GET /"}, {"status": 200, **wants}),))
    with server(data, close=close) as address:
        return Run(Target("t", address), case).failures()


def test_an_answer_in_chunks_is_put_together():
    assert (
        run(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", text="abc") == []
    )


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n",
        HEAD + b"content-length: 5\r\n\r\nab",
    ],
)
def test_an_answer_that_breaks_off_is_found(data):
    assert "the answer ends before its end" in run(data)[0]
    assert run(data, incomplete=True) == []


def test_a_connection_that_stays_open_is_found():
    whole = HEAD + b"content-length: 0\r\n\r\n"

    assert run(whole, closes=True) == []
    assert (
        "the connection closes"
        in run(HEAD + b"connection: close\r\ncontent-length: 0\r\n\r\n", closes=False)[0]
    )


@pytest.mark.parametrize(
    "data", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\n bad\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_what_is_no_answer_is_found(data):
    assert run(data) != []


def test_length_and_chunks_together_are_no_answer():
    with server(HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n") as address:
        connection = Connection(address)
        connection.send(b"x")
        with pytest.raises(WireError):
            connection.answer()
        connection.close()


def test_the_page_about_cases_tells_every_key():
    page = (contract.HERE / "README.md").read_text()

    assert [key for key in sorted(cases.OF_REQUEST | cases.OF_ANSWER) if f"`{key}`" not in page] == []
    assert [key for key in sorted(cases.OF_CASE) if key not in page] == []
