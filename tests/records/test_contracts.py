"""Contracts that promise one effect for each request id and cannot keep it stop start-up."""

import pytest

from bedplate.contract.policy import Idempotency, PolicyError
from bedplate.contract.service_config import service_config
from bedplate.pipeline.compile import compile_method
from bedplate.pipeline.failure import FailureMaker
from bedplate.pipeline.stage import Parts
from bedplate.policy.explain import explain
from bedplate.policy.replayed import check_replay
from bedplate.settings import Settings
from tests.pipeline.test_contract import READ, check
from tests.protos import field
from tests.records.shop import Shop
from tests.records.till import SERVICE

ONCE = "idempotency: IDEMPOTENCY_REQUEST_ID"
ID = field("request_id", 1, "string")


@pytest.mark.parametrize(
    ("policy", "fields", "text"),
    [
        (f"{READ} {ONCE}", "", "Write: string request_id = 1;"),
        (f"{READ} {ONCE}", field("text", 3, "string"), "Write: string request_id = 4;"),
        (f"{READ} {ONCE}", field("request_id", 1, "bytes"), "Write: string request_id = 2;"),
        (f"{READ} {ONCE}", field("request_id", 1, "string", repeated=True), "Write: string request_id = 2;"),
        (f"auth {{ anonymous: true }} {ONCE}", ID, "needs a caller that is known"),
        (
            f'{READ} {ONCE} replay {{ ignored_fields: "nothing" }}',
            ID,
            "names nothing, which Message does not",
        ),
        (f"{READ} {ONCE} replay {{ keep {{ seconds: -1 }} }}", ID, "keep must not be negative"),
        (
            f"{READ} replay {{ keep {{ seconds: 5 }} }}",
            ID,
            "replay needs idempotency: IDEMPOTENCY_REQUEST_ID",
        ),
    ],
)
def test_a_contract_that_cannot_keep_it_is_refused_with_what_to_write(
    policy: str, fields: str, text: str
) -> None:
    with pytest.raises(PolicyError) as error:
        check_replay(check(policy, fields=fields))

    assert text in str(error.value)
    assert "TestService/Do" in str(error.value)


def test_outcomes_are_kept_for_a_day_unless_the_contract_says_otherwise() -> None:
    assert check(f"{READ} {ONCE}", fields=ID).replay.keep_s == 24 * 3600  # type: ignore[union-attr]


def test_without_a_database_it_does_not_start(shop: Shop) -> None:
    sell = shop.methods["Sell"]
    parts = Parts(authenticator=shop, settings=Settings())

    with pytest.raises(PolicyError, match="needs a database"):
        compile_method(
            sell.descriptor,
            sell.policy,
            shop.handlers.Sell,
            parts=parts,
            recorder=None,  # type: ignore[arg-type]
            failures=FailureMaker({}, domain="x", strict=True),
        )


def test_clients_may_retry_it() -> None:
    policy = check(f"{READ} {ONCE} retry {{ max_attempts: 3 }}", fields=ID)

    assert policy.idempotency is Idempotency.REQUEST_ID
    config = service_config(policy.descriptor.containing_service, timeouts=False)
    assert config["methodConfig"][0]["retryPolicy"]["maxAttempts"] == 3


def test_a_method_that_does_not_promise_it_pays_nothing(shop: Shop) -> None:
    assert "replay" in shop.methods["Sell"].stages
    assert all(
        method.name in {"Sell", "SellToo", "SellInSteps", "SellHourly", "Guess", "Forget", "Alter"}
        for method in SERVICE.methods
    )


@pytest.mark.parametrize(("method", "kept"), [("SellHourly", "3600 s"), ("Sell", "86400 s")])
def test_why_tells_how_long_outcomes_are_kept_and_who_keeps_them(method: str, kept: str) -> None:
    lines = {line.option: line for line in explain(SERVICE.methods_by_name[method])}

    assert lines["idempotency"].enforced
    assert "replay" not in lines
    assert (lines["replay.keep"].value, lines["replay.keep"].keeper) == (kept, "server")
