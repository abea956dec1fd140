"""Service configs: what is in them, and what gRPC core makes of them."""

import asyncio
import json
import re
import time
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, text_format
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given
from hypothesis import strategies as st

from bedplate.contract.policy import PolicyError, resolve
from bedplate.contract.service_config import duration, service_config
from bedplate.ledger.v1 import ledger_pb2
from bedplate.rates.v1 import rates_pb2
from bedplate.v1 import policy_pb2
from tests.client.plain import plain_server
from tests.protos import echo

LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]
RATES = rates_pb2.DESCRIPTOR.services_by_name["RatesService"]
DURATION = re.compile(r"^\d+(\.\d{1,9})?s$")


def service(method_policy: str, budget: str = "") -> ServiceDescriptor:
    """A service with one method of this policy, in a pool of its own."""
    options = f"defaults {{ {method_policy} }} {f'retry_budget {{ {budget} }}' if budget else ''}"
    file = text_format.Parse(
        'name: "t.proto" package: "t" syntax: "proto3" dependency: "bedplate/v1/policy.proto"\n'
        'message_type { name: "M" } service { name: "S" '
        f"options {{ [bedplate.v1.service] {{ {options} }} }} "
        'method { name: "Call" input_type: ".t.M" output_type: ".t.M" } }',
        descriptor_pb2.FileDescriptorProto(),
    )
    pool = DescriptorPool()
    for needed in (
        "google/protobuf/descriptor.proto",
        "google/protobuf/duration.proto",
        "google/rpc/code.proto",
    ):
        pool.AddSerializedFile(policy_pb2.DESCRIPTOR.pool.FindFileByName(needed).serialized_pb)
    pool.AddSerializedFile(policy_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("t.S")


HEDGED = (
    "idempotency: IDEMPOTENCY_READ_ONLY "
    "hedge { delay { nanos: 250000000 } max_attempts: 3 codes: UNAVAILABLE codes: ABORTED }"
)


def test_a_hedge_is_told_to_those_whose_grpc_hedges() -> None:
    config = service_config(service(HEDGED, "max_tokens: 20"), timeouts=True)

    [method] = config["methodConfig"]
    assert method["hedgingPolicy"] == {
        "maxAttempts": 3,
        "hedgingDelay": "0.25s",
        "nonFatalStatusCodes": ["UNAVAILABLE", "ABORTED"],
    }
    assert "retryPolicy" not in method  # gRPC refuses a method with both
    assert config["retryThrottling"] == {"maxTokens": 20, "tokenRatio": 0.1}


def test_those_whose_grpc_does_not_hedge_send_again_what_fails() -> None:
    [method] = service_config(service(HEDGED), timeouts=False)["methodConfig"]

    assert "hedgingPolicy" not in method
    assert method["retryPolicy"] == {
        "maxAttempts": 3,
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2.0,
        "retryableStatusCodes": ["UNAVAILABLE", "ABORTED"],
    }


def test_grpc_sends_nothing_again_for_a_caller_that_hedges_by_itself() -> None:
    config = service_config(service(HEDGED), timeouts=False, hedges=True)

    assert not {"hedgingPolicy", "retryPolicy"} & set(config["methodConfig"][0])


def seconds(text: str) -> float:
    """A duration as JSON writes it."""
    assert DURATION.match(text), text
    return float(text.removesuffix("s"))


@given(st.integers(min_value=1, max_value=10**15))
def test_a_duration_is_written_exactly(nanos: int) -> None:
    text = duration(nanos / 1e9)

    assert DURATION.match(text)
    assert seconds(text) == pytest.approx(nanos / 1e9, rel=1e-12, abs=1e-9)


@given(
    st.integers(min_value=2, max_value=5),
    st.integers(min_value=1, max_value=10**10),
    st.integers(min_value=1, max_value=10**10),
    st.floats(min_value=1.0, max_value=10.0),
    st.sets(st.sampled_from(["UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED"]), min_size=1),
    st.integers(min_value=1, max_value=10**11),
)
def test_the_config_says_what_the_policy_says(
    attempts: int, first: int, longest: int, factor: float, codes: set[str], deadline: int
) -> None:
    described = service(
        f"deadline {{ default {{ seconds: {deadline // 10**9} nanos: {deadline % 10**9} }} "
        "max { seconds: 200 } } "
        f"idempotency: IDEMPOTENCY_NATURAL retry {{ max_attempts: {attempts} backoff_multiplier: {factor} "
        f"initial_backoff {{ seconds: {first // 10**9} nanos: {first % 10**9} }} "
        f"max_backoff {{ seconds: {longest // 10**9} nanos: {longest % 10**9} }} "
        f"{' '.join(f'codes: {code}' for code in sorted(codes))} }}"
    )
    policy = resolve(described.methods[0])

    config = json.loads(json.dumps(service_config(described, timeouts=True)))
    [method] = config["methodConfig"]

    assert method["name"] == [{"service": "t.S", "method": "Call"}]
    assert seconds(method["timeout"]) == pytest.approx(policy.deadline_default_s, abs=1e-9)
    retry = method["retryPolicy"]
    assert retry["maxAttempts"] == attempts
    assert seconds(retry["initialBackoff"]) == pytest.approx(first / 1e9, abs=1e-9)
    assert seconds(retry["maxBackoff"]) == pytest.approx(longest / 1e9, abs=1e-9)
    assert retry["backoffMultiplier"] == factor
    assert set(retry["retryableStatusCodes"]) == codes
    assert config["retryThrottling"] == {"maxTokens": 10, "tokenRatio": 0.1}


@pytest.mark.parametrize("described", [LEDGER, RATES, echo.SERVICE], ids=lambda s: s.name)
def test_configs_for_c_core_have_no_timeout_and_the_others_have_one_for_each_method(
    described: ServiceDescriptor,
) -> None:
    for_core = service_config(described, timeouts=False)
    for_others = service_config(described, timeouts=True)

    assert all("timeout" not in method for method in for_core["methodConfig"])
    assert all("timeout" in method for method in for_others["methodConfig"])
    assert len(for_core["methodConfig"]) == len(described.methods)


def test_only_methods_that_may_be_repeated_have_a_retry_policy() -> None:
    config = service_config(echo.SERVICE, timeouts=False)

    retried = [method["name"][0]["method"] for method in config["methodConfig"] if "retryPolicy" in method]
    assert retried == ["Echo"]


def test_a_service_without_retries_has_no_budget_for_them() -> None:
    assert "retryThrottling" not in service_config(service("idempotency: IDEMPOTENCY_NONE"), timeouts=False)


def test_the_tightest_budget_holds_for_a_channel_to_several_services() -> None:
    retry = "idempotency: IDEMPOTENCY_NATURAL retry { max_attempts: 2 }"
    one = service(retry, "max_tokens: 50 token_ratio: 0.01")
    two = service(retry, "max_tokens: 20 token_ratio: 0.5")

    config = service_config(one, two, timeouts=False)

    assert config["retryThrottling"] == {"maxTokens": 20, "tokenRatio": 0.01}


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("max_tokens: 1001", "t.S: retry_budget.max_tokens"),
        ("max_tokens: -1", "t.S: retry_budget.max_tokens"),
        ("token_ratio: 1.5", "t.S: retry_budget.token_ratio"),
        ("token_ratio: -0.1", "t.S: retry_budget.token_ratio"),
    ],
)
def test_a_budget_out_of_bounds_is_refused_by_name(budget: str, message: str) -> None:
    described = service("idempotency: IDEMPOTENCY_NATURAL retry { max_attempts: 2 }", budget)

    with pytest.raises(PolicyError, match=message):
        service_config(described, timeouts=False)


@pytest.mark.parametrize("described", [LEDGER, RATES, echo.SERVICE], ids=lambda s: s.name)
@pytest.mark.parametrize("timeouts", [True, False])
async def test_grpc_core_takes_every_config(described: ServiceDescriptor, timeouts: bool) -> None:
    async def answer(request: bytes, context: Any) -> Any:
        return ledger_pb2.GetLedgerResponse()

    config = service_config(described, timeouts=timeouts)
    async with (
        plain_server(answer) as address,
        grpc.aio.insecure_channel(address, [("grpc.service_config", json.dumps(config))]) as channel,
    ):
        # With a config that it cannot read, core fails every call of the channel.
        await channel.unary_unary("/any.Service/Method")(b"", timeout=5)


async def test_c_core_still_ends_calls_with_a_config_timeout_too_early() -> None:
    """Pins grpc/grpc#34547 and #40633. When this fails, they are mended: every config may have timeouts."""
    config = {"methodConfig": [{"name": [{}], "timeout": "1s"}]}
    never = asyncio.Event()

    async def hold(request: bytes, context: Any) -> Any:
        await never.wait()

    async with (
        plain_server(hold) as address,
        grpc.aio.insecure_channel(address, [("grpc.service_config", json.dumps(config))]) as channel,
    ):
        await channel.channel_ready()
        started = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/any.Service/Method")(b"")

    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 0.9
