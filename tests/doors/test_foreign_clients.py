"""Clients that are not ours keep books over both doors, and are refused alike."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict

from bedplate.auth.keys import create_key
from bedplate.ledger.v1 import ledger_pb2 as pb
from tests.doors.answering import check_answer
from tests.doors.books import CURRENCIES, INT64_MAX, NOBODY, accounts, entries, post, sale
from tests.doors.strangers import BufConnect, BufGrpcWeb, Curl, Grpcurl, PlainStubs, Stranger, find_grpcurl
from tests.faults.platform import Platform

AMOUNTS = {"EUR": 1_234, "JPY": 1_234, "KWD": INT64_MAX}


# It is begun anew for each call and reads the contract, which takes a fifth of a second.
BUF = {"buf, by Connect": BufConnect, "buf, by gRPC-Web": BufGrpcWeb}
STRANGERS = [
    *("plain stubs", "curl", "grpcurl"),
    *(pytest.param(name, marks=pytest.mark.soak) for name in BUF),
]


@dataclass(frozen=True)
class Running:
    """A process that serves everything, and keys to it.

    Attributes:
        platform: The process.
        key: May do everything.
        reader: May read and not write.
        other: May read, for another tenant.
    """

    platform: Platform
    key: str
    reader: str
    other: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What stands nowhere."""
        return self.key, self.reader, self.other, NOBODY


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A process of its own; at the end it drains, and what it wrote holds no secret."""
    platform = Platform(tmp_path_factory.mktemp("doors"))
    keys = platform.folder / "keys.json"
    reader = create_key(keys, tenant="tenant-a", scopes=["ledger.read"])[1]
    other = create_key(keys, tenant="tenant-b", scopes=["ledger.read"])[1]
    made = Running(platform, platform.key, reader, other)
    with platform:
        yield made
        platform.send(signal.SIGTERM)
        assert platform.stop() == 0
        shown, log = platform.read_output(), (platform.folder / "bedplate.log").read_text()
    assert '"event":"call"' in log
    for secret in (*made.secrets, "Traceback"):
        assert secret not in shown
        assert secret not in log
    assert "Bearer" not in log


@pytest.fixture(scope="module", params=STRANGERS)
def stranger(request: pytest.FixtureRequest, running: Running) -> Iterator[Stranger]:
    """A client that is not ours."""
    if request.param == "plain stubs":
        stubs = PlainStubs(running.platform)
        yield stubs
        assert stubs.close() == 0
    elif request.param in BUF:
        yield BUF[request.param](running.platform)
    elif request.param == "curl":
        if shutil.which("curl") is None:
            pytest.skip("there is no curl on the path")
        yield Curl(running.platform)
    else:
        program = find_grpcurl()
        if program is None:
            pytest.skip("grpcurl is neither on the path nor in build/bin; `make grpcurl` installs it")
        yield Grpcurl(running.platform, program)


@pytest.fixture(scope="module")
def ledger_id(request: pytest.FixtureRequest, stranger: Stranger, running: Running) -> str:
    """The stranger's own ledger, with accounts in three currencies, made by itself."""
    name = type(stranger).__name__.lower()
    made, _ = stranger.call(pb.CreateLedgerRequest(ledger_id=name), running.key)
    assert made.code == "OK", made
    for account in accounts():
        made, _ = stranger.call(pb.CreateAccountRequest(ledger_id=name, account=account), running.key)
        assert made.code == "OK", made
    return name


def test_it_posts_in_three_currencies_and_reads_the_balances(
    stranger: Stranger, ledger_id: str, running: Running
) -> None:
    batch = post(
        *(sale(code, amount, name=f"sale-{code}") for code, amount in AMOUNTS.items()), ledger_id=ledger_id
    )

    posted, results = stranger.call(batch, running.key)
    again, repeated = stranger.call(batch, running.key)

    assert (posted.code, again.code) == ("OK", "OK")
    listed = [result["transaction"]["entries"][0] for result in results["results"]]
    assert [(entry["currency_code"], int(entry["amount_minor"])) for entry in listed] == list(AMOUNTS.items())
    assert [result["replayed"] for result in repeated["results"]] == [True] * 3
    for code, scale in CURRENCIES.items():
        asked = pb.GetBalanceRequest(ledger_id=ledger_id, account_id=f"sales:{code}")
        _, answer = stranger.call(asked, running.key)
        balance = ParseDict(answer["balance"], pb.Balance())
        assert (balance.currency.code, balance.currency.scale) == (code, scale)
        assert balance.balance_minor == balance.credits_minor == AMOUNTS[code]
    _, trial = stranger.call(pb.GetTrialBalanceRequest(ledger_id=ledger_id), running.key)
    totals = {total["currency"]["code"]: total for total in trial["totals"]}
    assert {code: int(totals[code]["debits_minor"]) for code in AMOUNTS} == AMOUNTS
    assert trial["balanced"] is True


def test_it_sees_the_refusals_that_every_client_sees(
    stranger: Stranger, ledger_id: str, running: Running
) -> None:
    key = running.key
    stranger.call(post(sale(name="first"), ledger_id=ledger_id), key)
    good = post(sale(), ledger_id=ledger_id)
    both = pb.Transaction(transaction_id="both", entries=entries("cash:EUR", "cash:EUR", 5))
    overdrawn = pb.Transaction(transaction_id="over", entries=entries("wallet", "sales:EUR", 5))
    nowhere = pb.Transaction(transaction_id="where", entries=entries("cash:EUR", "nowhere", 5))
    entry, amount = "transactions[0].entries", "transactions[0].entries[0].amount_minor"
    calls = [
        (good, "", "UNAUTHENTICATED CREDENTIAL_MISSING", 401, ""),
        (good, NOBODY, "UNAUTHENTICATED CREDENTIAL_INVALID", 401, ""),
        (good, running.reader, "PERMISSION_DENIED SCOPE_MISSING", 403, ""),
        (
            pb.GetLedgerRequest(ledger_id=ledger_id),
            running.other,
            "NOT_FOUND LEDGER_NOT_FOUND",
            404,
            "ledger_id",
        ),
        (pb.GetLedgerRequest(ledger_id="No"), key, "INVALID_ARGUMENT INVALID_REQUEST", 400, "ledger_id"),
        (post(ledger_id=ledger_id), key, "INVALID_ARGUMENT INVALID_REQUEST", 400, "transactions"),
        (
            post(sale(amount_minor=-5), ledger_id=ledger_id),
            key,
            "INVALID_ARGUMENT INVALID_REQUEST",
            400,
            amount,
        ),
        (
            post(sale("EUR", 5, 4), ledger_id=ledger_id),
            key,
            "INVALID_ARGUMENT UNBALANCED_TRANSACTION",
            400,
            entry,
        ),
        (
            post(both, ledger_id=ledger_id),
            key,
            "INVALID_ARGUMENT ACCOUNT_ON_BOTH_SIDES",
            400,
            f"{entry}[1].account_id",
        ),
        (
            post(nowhere, ledger_id=ledger_id),
            key,
            "NOT_FOUND ACCOUNT_NOT_FOUND",
            404,
            f"{entry}[1].account_id",
        ),
        (post(overdrawn, ledger_id=ledger_id), key, "FAILED_PRECONDITION LIMIT_EXCEEDED", 400, amount),
        (
            post(sale(amount_minor=INT64_MAX, name="most"), ledger_id=ledger_id),
            key,
            "OUT_OF_RANGE BALANCE_OVERFLOW",
            400,
            amount,
        ),
        (
            post(sale(amount_minor=6, name="first"), ledger_id=ledger_id),
            key,
            "ALREADY_EXISTS TRANSACTION_EXISTS",
            409,
            amount,
        ),
        (
            pb.ListLedgersRequest(page_token="x"),
            key,
            "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
            400,
            "page_token",
        ),
    ]

    for request, with_key, told, http_status, field in calls:
        answer, _ = stranger.call(request, with_key)

        assert f"{answer.code} {answer.reason}" == told
        assert answer.http_status in (0, http_status)
        assert [path for path, _ in answer.violations[:1]] == ([field] if field else [])
        check_answer(answer, running.secrets)


def test_the_program_with_plain_stubs_is_no_client_of_ours() -> None:
    program = (Path(__file__).parent / "plain_client.py").read_text()

    assert "bedplate.client" not in program
