"""What a server says, as an exception."""

import pickle
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from bedplate.client import errors
from bedplate.client.errors import CallError, FieldViolation, from_rpc_error
from bedplate.contract.headers import STATUS_DETAILS
from tests.client.plain import trailers

CODES = [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


def rpc_error(code: str, metadata: Any = (), sentence: str = "as gRPC says") -> grpc.aio.AioRpcError:
    """What grpcio raises."""
    return grpc.aio.AioRpcError(
        grpc.StatusCode[code], grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), details=sentence
    )


@pytest.mark.parametrize("code", [code for code in CODES if code != "CANCELLED"])
def test_each_code_has_a_class_of_its_own(code: str) -> None:
    error = from_rpc_error(rpc_error(code))

    assert type(error).__name__ == code.title().replace("_", "")
    assert error.code == code
    assert error.sentence == "as gRPC says"
    assert isinstance(error, CallError)


def test_cancelled_from_afar_is_unavailable() -> None:
    assert type(from_rpc_error(rpc_error("CANCELLED"))) is errors.Unavailable


def test_all_that_the_details_say_is_there() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="a.b[2]", description="Too long.", reason="max"
    )
    details = trailers(
        "INVALID_ARGUMENT",
        "as bedplate says",
        error_details_pb2.ErrorInfo(reason="INVALID_REQUEST", domain="bedplate", metadata={"a": "1"}),
        error_details_pb2.BadRequest(field_violations=[violation]),
        retry,
        error_details_pb2.RequestInfo(request_id="0123"),
    )

    error = from_rpc_error(rpc_error("INVALID_ARGUMENT", details))

    assert error.sentence == "as bedplate says"
    assert (error.reason, error.domain, error.facts) == ("INVALID_REQUEST", "bedplate", {"a": "1"})
    assert error.violations == (FieldViolation("a.b[2]", "Too long.", "max"),)
    assert error.retry_after_s == 1.5
    assert error.error_id == "0123"
    assert str(error) == "INVALID_ARGUMENT INVALID_REQUEST: as bedplate says (error id 0123)"


def broken_detail() -> bytes:
    """A status whose ErrorInfo is no message."""
    packed = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")
    return status_pb2.Status(code=5, message="half", details=[packed]).SerializeToString()


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        pytest.param((), "as gRPC says", id="none"),
        pytest.param(((STATUS_DETAILS, b"\xff\xff\xff"),), "as gRPC says", id="no message"),
        pytest.param(((STATUS_DETAILS, broken_detail()),), "half", id="a broken detail"),
        pytest.param(trailers("INTERNAL", "another"), "as gRPC says", id="another code"),
    ],
)
def test_details_that_make_no_sense_are_left_out(metadata: Any, sentence: str) -> None:
    error = from_rpc_error(rpc_error("NOT_FOUND", metadata))

    assert type(error) is errors.NotFound
    assert (error.reason, error.sentence) == ("", sentence)


def test_an_error_without_a_word_still_has_a_sentence() -> None:
    assert (
        str(from_rpc_error(rpc_error("UNKNOWN", sentence="")))
        == "UNKNOWN: The server answered UNKNOWN and no more."
    )


def test_an_error_survives_being_sent_to_another_process() -> None:
    error = errors.NotFound("Nothing.", reason="A", domain="b", facts={"c": "d"}, retry_after_s=1.0)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is errors.NotFound
    assert vars(copy) == vars(error)
