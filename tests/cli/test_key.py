"""`bedplate key`."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from bedplate.auth.keys import KeyFile, list_keys


@pytest.fixture
def keys(tmp_path):
    return tmp_path / ".bedplate" / "keys.json"


def test_a_created_key_is_all_that_standard_output_holds_and_it_works(command, keys):
    code, out, err = command(
        "key", "create", "--tenant", "acme", "--scope", "ledger.read", "--scope", "rates.read"
    )

    principal = KeyFile(keys).authenticate(out.strip())
    assert code == 0
    assert (principal.tenant, principal.scopes) == ("acme", {"ledger.read", "rates.read"})
    assert "ledger.read, rates.read" in err
    assert out.strip() not in err


def test_a_key_that_is_made_first_leaves_a_data_folder_for_its_owner_only(command, keys):
    command("key", "create", "--tenant", "acme", "--scope", "ledger.read")

    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700


def test_a_scope_that_no_method_asks_for_is_refused_with_those_that_there_are(command, keys):
    code, _, err = command("key", "create", "--tenant", "acme", "--scope", "ledger.raed")

    assert code == 2
    assert "No method asks for the scope ledger.raed." in err
    assert "ledger.import, ledger.read, ledger.write, platform.admin, " in err
    assert not keys.exists()


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("36h", 1.5)])
def test_a_key_expires_so_long_from_now(command, keys, text, days):
    command("key", "create", "--tenant", "acme", "--scope", "ledger.read", "--expires", text)

    expires = list_keys(keys)[0].expires

    assert abs(expires - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=2)


def test_a_key_expires_on_a_day(command, keys):
    command("key", "create", "--tenant", "acme", "--scope", "ledger.read", "--expires", "2199-01-31")

    assert list_keys(keys)[0].expires == datetime(2199, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "0d", "2001-01-01", "9d9"])
def test_a_time_that_is_none_or_past_is_refused(command, keys, text):
    code, _, err = command("key", "create", "--tenant", "acme", "--scope", "ledger.read", "--expires", text)

    assert code == 2
    assert f"--expires {text} is" in err


@pytest.mark.parametrize("wrong", [["--tenant", "A B"], ["--tenant", "acme", "--id", "Not-Good"]])
def test_a_malformed_tenant_or_id_ends_in_words(command, wrong):
    code, _, err = command("key", "create", "--scope", "ledger.read", *wrong)

    assert code == 3
    assert err.startswith("error: ")


def test_keys_are_listed_and_revoked(command):
    command("key", "create", "--tenant", "acme", "--scope", "ledger.read", "--id", "one", "--expires", "1d")
    command("key", "create", "--tenant", "acme", "--scope", "ledger.write", "--id", "two")

    assert [row["id"] for row in json.loads(command("key", "list", "--json")[1])] == ["one", "two"]
    assert command("key", "revoke", "one")[:2] == (0, "Key one is revoked.\n")
    assert command("key", "list")[1] == "two  tenant acme  ledger.write\n"


def test_revoking_an_unknown_key_names_those_that_there_are(command):
    command("key", "create", "--tenant", "acme", "--scope", "ledger.read", "--id", "one")

    code, _, err = command("key", "revoke", "two")

    assert code == 3
    assert "It has: one." in err


def test_without_keys_the_list_says_how_to_make_one(command):
    assert "bedplate key create" in command("key", "list")[1]


def test_a_broken_key_file_is_an_error_that_names_the_place(command, keys):
    keys.parent.mkdir()
    keys.write_text('{"keys": {')

    code, _, err = command("key", "list")

    assert code == 3
    assert "line 1, column 11" in err
