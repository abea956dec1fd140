"""Of several faults of one call the same one is told on every door: the one that comes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations

import pytest

from bedplate.contract.promises import Rate, RateScope
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.quota.address import AddressBudget
from bedplate.testing.serve import Served
from tests.doors.asking import Ask, said
from tests.doors.bad import LARGE
from tests.doors.books import (
    NOBODY,
    READER,
    SPENT_READER,
    SPENT_TENANT,
    SPENT_WRITER,
    WRITER,
    post,
    sale,
)
from tests.doors.doors import BY_HTTP, DOORS, Doors

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("discreet")]

# Faults in the order in which they are told, and their reasons.
ORDER = {
    "route": "METHOD_NOT_FOUND",
    "deadline": "DEADLINE_EXCEEDED",
    "address": "ADDRESS_LIMITED",
    "key": "CREDENTIAL_INVALID",
    "rate": "RATE_LIMITED",
    "scope": "SCOPE_MISSING",
    "size": "MESSAGE_TOO_LARGE",
    "bytes": "MALFORMED_REQUEST",
    "field": "INVALID_REQUEST",
    "books": "LEDGER_NOT_FOUND",
}
# Two of these cannot be wrong at once: a key that is not known has no scopes and
# no tenant, and what cannot be read has no fields.
APART = [
    {"key", "rate"},
    {"key", "scope"},
    {"size", "bytes"},
    {"size", "field"},
    {"size", "books"},
    {"bytes", "field"},
    {"bytes", "books"},
]
PAIRS = [pair for pair in combinations(ORDER, 2) if set(pair) not in APART]


def faulty(*faults: str) -> Ask:
    """A call with these faults."""
    request = post(sale(amount_minor=-1 if "field" in faults else 5), ledger_id="nowhere")
    reader, writer = (SPENT_READER, SPENT_WRITER) if "rate" in faults else (READER, WRITER)
    ask = said(request, reader if "scope" in faults else NOBODY if "key" in faults else writer)
    if "size" in faults or "bytes" in faults:
        size = LARGE if "size" in faults else 3
        assert ask.http is not None
        ask = replace(ask, wire=b"\xff" * size, http=replace(ask.http, body=b"\xff" * size))
    if "route" in faults:
        assert ask.http is not None
        ask = replace(ask, path=ask.path + "Nothing", http=replace(ask.http, target="/v1/nothing"))
    return replace(ask, late="deadline" in faults)


@contextmanager
def limits(served: Served, *faults: str) -> Iterator[None]:
    """One tenant has used up its tokens; with the fault `address` this machine has, too."""
    name = next(name for name in served.app.methods if name.endswith("/PostTransactions"))
    method, quota = served.app.methods[name], served.app.methods[name]._parts.quota
    contract = method.policy
    method.apply(replace(contract, rate=Rate(1, "spent", 1e-9, 1_000_000, RateScope.TENANT)))
    (bucket,) = (bucket for bucket in quota.buckets if bucket.name == "spent")
    bucket.take((SPENT_TENANT,), bucket.burst, quota.clock())
    budget: AddressBudget = quota.addresses
    if "address" in faults:
        budget.blocked["127.0.0.1"] = quota.clock() + 60
    try:
        yield
    finally:
        budget.blocked.clear()
        method.apply(contract)


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_the_earlier_of_two_faults_is_told_on_every_door(
    served: Served, doors: Doors, first: str, second: str
) -> None:
    expected = dict.fromkeys(DOORS, ORDER[first])
    if "address" in (first, second):
        del expected["local"]  # there is none in process
    if first == "route":
        expected |= dict.fromkeys(BY_HTTP, "ROUTE_NOT_FOUND")
    if "deadline" in (first, second):
        del expected["grpc"]  # gRPC itself ends a call whose time is over
    if second == "size" and first != "route":
        expected |= dict.fromkeys(
            BY_HTTP, "MESSAGE_TOO_LARGE"
        )  # a limit of the peer there: no such body is read

    with limits(served, first, second):
        told = {name: (await DOORS[name](doors, faulty(first, second))).reason for name in expected}

    assert told == expected


@pytest.mark.parametrize("fault", ORDER)
async def test_each_fault_alone_is_told(served: Served, doors: Doors, fault: str) -> None:
    with limits(served, fault):
        ask = doors.over_http if fault == "address" else doors.in_process
        answer = await ask(faulty(fault))

    assert answer.reason == ORDER[fault]


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (("route",), "ROUTE_NOT_FOUND"),
        (("deadline",), "DEADLINE_EXCEEDED"),
        (("key",), "CREDENTIAL_INVALID"),
        (("scope",), "SCOPE_MISSING"),
        (("bytes",), "CONTENT_TYPE_UNSUPPORTED"),
        (("field",), "CONTENT_TYPE_UNSUPPORTED"),
    ],
)
async def test_the_content_type_is_looked_at_with_the_body(
    doors: Doors, faults: tuple[str, ...], reason: str
) -> None:
    ask = faulty(*faults)
    assert ask.http is not None
    http = replace(ask.http, headers=(("content-type", "text/xml"),))

    answer = await doors.over_http(replace(ask, http=http))

    assert answer.reason == reason


async def test_the_books_are_asked_in_the_order_that_the_contract_lists(doors: Doors) -> None:
    def transaction(door: str, *listed: tuple[str, int]) -> Ask:
        """An entry for each account and amount; a negative amount is a credit.

        Each door has its own id: a refused limit is remembered under it.
        """
        entries = [
            pb.Entry(
                account_id=name,
                side=pb.SIDE_DEBIT if amount > 0 else pb.SIDE_CREDIT,
                amount_minor=abs(amount),
            )
            for name, amount in listed
        ]
        return said(post(pb.Transaction(transaction_id=f"x-{door}", entries=entries)), WRITER)

    for door, ask in DOORS.items():
        faults = [
            transaction(door, ("nowhere", 2), ("nowhere", -1)),
            transaction(door, ("nowhere", 2), ("wallet", 3), ("cash:EUR", -1)),
            transaction(door, ("full:debits", 2), ("wallet", 3), ("cash:EUR", -1)),
            transaction(door, ("full:debits", 2), ("wallet", 3), ("cash:EUR", -5)),
            transaction(door, ("wallet", 3), ("cash:EUR", -3)),
        ]
        told = [(await ask(doors, each)).reason for each in faults]

        assert told == [
            "ACCOUNT_ON_BOTH_SIDES",
            "ACCOUNT_NOT_FOUND",
            "UNBALANCED_TRANSACTION",
            "BALANCE_OVERFLOW",
            "LIMIT_EXCEEDED",
        ]
