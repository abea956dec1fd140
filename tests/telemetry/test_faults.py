"""Faults that come when a call has ended well: its answer could not be written."""

import json
from io import BytesIO
from typing import Any

from bedplate.pipeline.call import Call
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import TRACEBACK_MAX, Recorder, Telemetry
from tests.telemetry.test_redact import Tree

CARD = "4000 1234 5678 9010"


class Log(BytesIO):
    """Keeps what was logged after it was closed."""

    def close(self) -> None:
        pass


def logged(cause: Exception, answer: Any) -> tuple[str, dict[str, Any]]:
    """The line of a fault, as text and read."""
    telemetry = Telemetry(log=LogWriter(log := Log()))
    call = Call(method="a.B/C", door="http", decode=lambda payload: payload)
    call.error_id = "0123456789abcdef"
    Recorder(telemetry, "a.B/C").fault(call, cause, answer)
    telemetry.log.close()
    text = log.getvalue().decode()
    return text, json.loads(text)


def test_it_is_logged_with_what_its_caller_can_ask_by_and_without_secrets_of_the_answer() -> None:
    text, line = logged(ValueError(f"{CARD} is no date"), Tree(card=CARD))

    assert (line["level"], line["event"], line["error"]) == ("error", "fault", "ValueError")
    assert (line["method"], line["door"], line["error_id"]) == ("a.B/C", "http", "0123456789abcdef")
    assert "is no date" in line["traceback"]
    assert CARD not in text


def test_nothing_of_the_traceback_is_logged_where_nobody_has_the_answer() -> None:
    text, line = logged(ValueError(f"{CARD} is no date"), None)

    assert (line["error"], line["traceback"]) == ("ValueError", "")
    assert CARD not in text


def test_its_traceback_has_an_end() -> None:
    _, line = logged(ValueError("x" * TRACEBACK_MAX), Tree())

    assert len(line["traceback"]) == TRACEBACK_MAX
