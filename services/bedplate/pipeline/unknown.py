"""Answers, on every door alike, for methods that there are none of."""

from typing import Protocol

from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.telemetry.recorder import Recorder, Telemetry

# What callers make up must not become labels of metrics.
LABEL = "unknown"


class Refuses(Protocol):
    """What answers calls of methods that are not there."""

    def refuse(self, call: Call) -> Failure:
        """The answer to a call."""
        ...


class UnknownMethod:
    """The method that stands for all that do not exist."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._recorder = Recorder(telemetry, LABEL)
        self._failures = FailureMaker({}, domain="bedplate", strict=False)

    def refuse(self, call: Call) -> Failure:
        """The answer to a call; it is recorded."""
        self._recorder.begin(call)
        failure = self._failures.from_exception(no_such_method(), call)
        self._recorder.end(call, failure.code, failure.reason)
        return failure


def no_such_method() -> Refusal:
    """What callers of a method that does not exist are told; its name is not repeated, nor always known."""
    return Refusal(
        Kind.UNSUPPORTED,
        "METHOD_NOT_FOUND",
        "There is no such method here; check its name against the contract.",
    )
