"""`bedplate migrate`."""

import sqlite3

import pytest


def test_tables_are_made_once_and_the_status_tells(command):
    before = command("migrate", "--status")
    applied = command("migrate")
    again = command("migrate")
    after = command("migrate", "--status")

    assert before[0] == 5
    assert "ledger: no tables yet, pending 0001" in before[1]
    assert "bedplate migrate bedplate ledger rates" in before[2]
    assert "bedplate: applied 0001" in applied[1]
    assert (applied[0], again[0], after[0]) == (0, 0, 0)
    assert "rates: applied 0001" in applied[1]
    assert "rates: up to date" in again[1]
    assert "ledger: at 0" in after[1]


def test_one_service_can_be_migrated_alone(command, tmp_path):
    code, out, _ = command("migrate", "rates")

    tables = sqlite3.connect(tmp_path / ".bedplate" / "bedplate.db").execute("SELECT name FROM sqlite_master")
    assert code == 0
    assert "ledger" not in out
    assert not any(name.startswith("ledger") for (name,) in tables)


def test_an_unknown_service_names_those_that_there_are(command):
    code, _, err = command("migrate", "legder")

    assert code == 2
    assert "There are: ledger, rates." in err


def test_on_postgresql_the_same(command, monkeypatch, postgresql_url):
    monkeypatch.setenv("BEDPLATE_DATABASE_URL", postgresql_url)

    assert command("migrate")[0] == 0
    assert command("migrate", "--status")[0] == 0


@pytest.mark.parametrize("url", ["nonsense", "mysql://root@localhost/db"])
def test_a_url_of_no_known_database_ends_in_words(command, monkeypatch, url):
    monkeypatch.setenv("BEDPLATE_DATABASE_URL", url)

    code, _, err = command("migrate")

    assert code == 3
    assert "BEDPLATE_DATABASE_URL" in err
