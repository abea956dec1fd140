"""`bedplate why`, and how methods are named."""

import json

import pytest

from bedplate.policy import enforced


def policy(command, method):
    code, out, err = command("why", method, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize(
    "name",
    [
        "ledger.GetLedger",
        "LEDGER.getledger",
        "GetLedger",
        "LedgerService/GetLedger",
        "LedgerService.GetLedger",
        "bedplate.ledger.v1.LedgerService/GetLedger",
        "/bedplate.ledger.v1.LedgerService/GetLedger",
        "bedplate.ledger.v1.LedgerService.GetLedger",
    ],
)
def test_a_method_is_found_by_every_form_of_its_name(command, name):
    assert policy(command, name)["method"] == "bedplate.ledger.v1.LedgerService/GetLedger"


def test_an_unknown_method_gets_a_suggestion(command):
    code, out, err = command("why", "ledger.GetBalanse")

    assert (code, out) == (2, "")
    assert "There is no method ledger.GetBalanse." in err
    assert "Did you mean ledger.GetBalance" in err


def test_each_value_says_where_it_came_from_and_who_keeps_it(command, monkeypatch):
    monkeypatch.delitem(enforced.ENFORCED, "hedge")
    lines = {line["option"]: line for line in policy(command, "ledger.PostTransactions")["policy"]}

    def told(option):
        return tuple(lines[option][name] for name in ("value", "source", "enforced"))

    assert told("deadline.default") == ("10 s", "method", True)
    assert told("idempotency") == ("NATURAL", "method", True)
    assert told("retry.max_attempts") == ("4", "service", True)
    assert told("limits.request_bytes") == ("4194304", "default", True)
    assert told("hedge") == ("never", "default", False)
    assert lines["auth.all_scopes"]["keeper"] == "server"
    assert lines["hedge"]["keeper"] == ""


def test_every_option_of_the_contract_is_told_of(command):
    from bedplate.v1 import policy_pb2

    told = {line["option"].partition(".")[0] for line in policy(command, "ledger.GetLedger")["policy"]}

    assert told == {field.name for field in policy_pb2.MethodPolicy.DESCRIPTOR.fields}


def test_the_table_names_routes_owner_and_what_nobody_keeps(command, monkeypatch):
    monkeypatch.delitem(enforced.ENFORCED, "hedge")
    code, out, _ = command("why", "ListEntries")

    assert code == 0
    assert "HTTP GET /v1/ledgers/{ledger_id}/entries" in out
    assert "HTTP GET /v1/ledgers/{ledger_id}/accounts/{account_id}/entries" in out
    assert "owner bedplate, tier 1" in out
    assert "nobody yet" in out


def test_an_option_stands_in_one_piece_on_a_narrow_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    _, out, _ = command("why", "ledger.PostTransactions")

    table = {
        line.split()[0] for line in out.partition("what would change it")[0].splitlines() if line.strip()
    }
    assert {line["option"] for line in policy(command, "ledger.PostTransactions")["policy"]} <= table


def test_the_table_fits_a_narrow_terminal_and_what_would_change_each_value_follows(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    code, out, _ = command("why", "ledger.PostTransactions")

    table, _, below = out.partition("what would change it\n")
    lines = [line.strip() for line in below.splitlines()]
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "limits.response_bytes " in table
    assert lines[lines.index("policy file or override: shorten it; contract: anything") + 1].startswith(
        "deadline.default, deadline.max"
    )
    assert "hedge, slo" in lines[lines.index("the contract only") + 2]
