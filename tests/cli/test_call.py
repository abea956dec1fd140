"""`bedplate call`, against a platform that `bedplate up` began."""

import json
import uuid

import pytest

from bedplate.cli.caller import DEV_KEY_FILE
from tests.cli.conftest import run_in


@pytest.fixture
def call(platform, tmp_path):
    """The command, called beside the platform's data folder; it needs neither key nor target."""
    env = {"BEDPLATE_GRPC_ADDRESS": platform.grpc_address}

    def call(*arguments, stdin="", **more):
        return run_in(platform.folder.parent, "call", *arguments, env=env | more, stdin=stdin)

    return call


@pytest.fixture
def books(call):
    """A ledger with two accounts."""
    ledger = f"b{uuid.uuid4().hex[:12]}"
    assert call("CreateLedger", json.dumps({"ledgerId": ledger})).returncode == 0
    for account, kind in (("cash", "ASSET"), ("sales", "INCOME")):
        body = {"accountId": account, "type": f"ACCOUNT_TYPE_{kind}", "currency": {"code": "EUR", "scale": 2}}
        assert call("CreateAccount", json.dumps({"ledgerId": ledger, "account": body})).returncode == 0
    return ledger


def transaction(debit=5, credit=5, **more):
    return {
        "entries": [
            {"accountId": "cash", "side": "SIDE_DEBIT", "amountMinor": debit},
            {"accountId": "sales", "side": "SIDE_CREDIT", "amountMinor": credit},
        ],
        **more,
    }


def test_an_answer_is_json_as_over_http_with_the_development_key_of_the_folder(call, books):
    done = call("ledger.GetLedger", json.dumps({"ledgerId": books}))

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ledger"]["ledgerId"] == books
    assert done.stdout.startswith("{\n  ")


def test_compact_prints_one_line(call, books):
    done = call("ledger.GetLedger", "--compact", json.dumps({"ledger_id": books}))

    assert done.stdout.count("\n") == 1


def test_a_request_comes_from_a_file_or_from_standard_input(call, books, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"ledgerId": books}))

    from_file = call("ledger.GetLedger", f"@{request}")
    from_stdin = call("ledger.GetLedger", "-", stdin=request.read_text())

    assert from_file.returncode == from_stdin.returncode == 0
    assert from_file.stdout == from_stdin.stdout


def test_a_missing_id_is_filled_and_a_stream_prints_a_line_for_each_message(call, books):
    posted = call("PostTransactions", json.dumps({"ledgerId": books, "transactions": [transaction()]}))

    streamed = call("ledger.StreamEntries", json.dumps({"ledgerId": books}))

    made = json.loads(posted.stdout)["results"][0]["transaction"]["transactionId"]
    entries = [json.loads(line)["entry"] for line in streamed.stdout.splitlines()]
    assert len(made) == 32
    assert [entry["transactionId"] for entry in entries] == [made, made]


@pytest.mark.parametrize(
    ("method", "request_", "code", "says"),
    [
        ("GetLedger", '{"ledgerId": "', 10, "The JSON is no GetLedgerRequest"),
        ("GetLedger", '{"ledgerid": "x"}', 10, "did you mean ledgerId?"),
        ("GetLedger", '{"ledgerId": 5}', 10, "ledger_id"),
        ("GetLedger", '{"ledgerId": "a", "ledgerId": "b"}', 10, "twice"),
        ("GetLedger", "{}", 10, "INVALID_ARGUMENT INVALID_REQUEST"),
        ("GetLedger", '{"ledgerId": "nope"}', 12, "NOT_FOUND LEDGER_NOT_FOUND"),
        ("GetLedger", "@/nowhere/request.json", 2, "/nowhere/request.json cannot be read"),
        ("GetLedgre", "{}", 2, "Did you mean ledger.GetLedger"),
    ],
)
def test_what_goes_wrong_is_said_in_words_and_by_exit_code(call, method, request_, code, says):
    done = call(method, request_)

    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refusal_shows_reason_field_facts_and_help(call, books):
    request = {"ledgerId": books, "transactions": [transaction(5, 6)]}

    done = call("PostTransactions", json.dumps(request))

    assert done.returncode == 10
    assert done.stderr.startswith("error: INVALID_ARGUMENT UNBALANCED_TRANSACTION: ")
    assert "transactions[0]" in done.stderr
    assert "Make debits equal credits in every currency" in done.stderr


def test_a_wrong_key_ends_with_its_own_exit_code(call):
    done = call("ListLedgers", BEDPLATE_KEY="bp_nope_x")

    assert done.returncode == 11
    assert "CREDENTIAL_INVALID" in done.stderr


def test_the_development_key_goes_to_this_machine_only(platform, call):
    key = (platform.folder / DEV_KEY_FILE).read_text().strip()

    refused = call("ListLedgers", "--target", "192.0.2.1:50051", "--key", key)
    quiet = call("ListLedgers", "--target", "192.0.2.1:50051", "--timeout-s", "0.05")

    assert refused.returncode == 2
    assert "would travel unencrypted" in refused.stderr
    assert key not in refused.stderr
    assert quiet.returncode in (13, 14)


def test_where_nothing_answers_the_error_says_how_to_start_something(run):
    done = run("call", "ListLedgers", "--target", "127.0.0.1:1", "--key", "k")

    assert done.returncode == 13
    assert "Nothing answers at 127.0.0.1:1. Start a server with `bedplate up`" in done.stderr


def test_a_call_that_gets_no_time_ends_as_late(call):
    done = call("ListLedgers", "--timeout-s", "0.001")

    assert done.returncode == 14
    assert "DEADLINE_EXCEEDED" in done.stderr


def test_a_target_without_a_port_is_a_matter_of_usage(call):
    done = call("ListLedgers", "--target", "localhost")

    assert done.returncode == 2
    assert "has no port" in done.stderr
