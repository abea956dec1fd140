"""API keys from a file."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bedplate.auth.key_format import KeyFileError, parse_keys
from bedplate.auth.keys import (
    CREDENTIAL_LENGTH_MAX,
    INVALID_SENTENCE,
    LOOK_EVERY_S,
    KeyFile,
    create_key,
    list_keys,
    revoke_key,
    set_scopes,
)
from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.settings import Settings


class Clock:
    """A clock that only a test moves."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def entry(**changes):
    return {"sha256": "ab" * 32, "tenant": "demo", "scopes": ["ledger.read"], **changes}


def write(path: Path, keys: object) -> None:
    path.write_text(json.dumps({"keys": keys}))
    path.chmod(0o600)


def test_a_key_that_was_created_tells_principal_tenant_and_scopes(path):
    key, text = create_key(path, tenant="demo", scopes=["ledger.read", "ledger.write"], key_id="dev")

    principal = KeyFile(path).authenticate(text)

    assert principal == Principal("key:dev", "demo", frozenset({"ledger.read", "ledger.write"}))
    assert key.principal == "key:dev"


def test_a_keys_text_names_its_id_and_holds_256_random_bits(path):
    key, text = create_key(path, tenant="demo", scopes=["ledger.read"])

    prefix, key_id, secret = text.split("_", 2)

    assert (prefix, key_id, len(secret)) == ("bp", key.id, 43)


def test_the_file_holds_the_digest_and_not_the_key_and_only_its_owner_reads_it(path):
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])

    stored = path.read_text()

    assert text not in stored
    assert text.split("_", 2)[2] not in stored
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        "bp_dev_",
        "bp_dev_" + "A" * 43,
        "é" * 20,
        "\udcff",
        "A" * CREDENTIAL_LENGTH_MAX,
        "A" * 100_000,
    ],
)
def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(path, wrong):
    create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev")

    with pytest.raises(Refusal) as caught:
        KeyFile(path).authenticate(wrong)

    assert (caught.value.kind, caught.value.reason) == (Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID")
    assert caught.value.sentence == INVALID_SENTENCE
    assert not caught.value.facts


def test_a_part_of_a_key_or_a_key_with_more_after_it_is_refused(path):
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])
    keys = KeyFile(path)
    keys.authenticate(text)

    for wrong in (text[:-1], text + "A", text.upper(), " " + text):
        with pytest.raises(Refusal):
            keys.authenticate(wrong)


def test_a_key_stops_at_the_moment_it_expires_also_when_it_was_used_before(path):
    clock = Clock()
    expires = datetime.fromtimestamp(clock.now + 10, UTC)
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"], expires=expires)
    keys = KeyFile(path, now=clock)
    clock.now += 9.999
    keys.authenticate(text)
    clock.now += 0.001

    with pytest.raises(Refusal) as caught:
        keys.authenticate(text)

    assert caught.value.sentence == INVALID_SENTENCE


def test_a_key_that_is_made_or_revoked_while_the_server_runs_counts_within_a_second(path):
    clock = Clock()
    keys = KeyFile(path, monotonic=clock)
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"], key_id="a")
    with pytest.raises(Refusal):
        keys.authenticate(text)
    clock.now += LOOK_EVERY_S
    keys.authenticate(text)
    revoke_key(path, "a")
    keys.authenticate(text)
    clock.now += LOOK_EVERY_S

    with pytest.raises(Refusal):
        keys.authenticate(text)


def test_the_file_is_looked_at_no_more_than_once_a_second(path, monkeypatch):
    looks = []
    clock = Clock()
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])
    keys = KeyFile(path, monotonic=clock)
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **kw: looks.append(self) or real(self, **kw))

    for _ in range(100):
        clock.now += LOOK_EVERY_S / 50
        keys.authenticate(text)

    assert len(looks) == 2


def test_a_file_that_breaks_while_the_server_runs_changes_nothing(path, caplog):
    clock = Clock()
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])
    keys = KeyFile(path, monotonic=clock)
    path.write_text("{")
    clock.now += LOOK_EVERY_S

    principal = keys.authenticate(text)

    assert principal.tenant == "demo"
    assert "line 1, column 2" in caplog.text


def test_a_file_that_was_refused_for_its_mode_counts_when_the_mode_is_mended(path, caplog):
    clock = Clock()
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])
    written = path.read_bytes()
    path.write_text('{"keys": {}}')
    keys = KeyFile(path, monotonic=clock)
    path.write_bytes(written)
    path.chmod(0o666)
    clock.now += LOOK_EVERY_S
    with pytest.raises(Refusal):
        keys.authenticate(text)
    path.chmod(0o600)
    clock.now += LOOK_EVERY_S

    principal = keys.authenticate(text)

    assert principal.tenant == "demo"
    assert "chmod go-w" in caplog.text


def test_a_file_that_goes_away_takes_its_keys_along(path):
    clock = Clock()
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"])
    keys = KeyFile(path, monotonic=clock)
    keys.authenticate(text)
    path.unlink()
    clock.now += LOOK_EVERY_S

    with pytest.raises(Refusal):
        keys.authenticate(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ('{"keys": {', "line 1, column 11"),
        ("[]", "the file must be an object"),
        ("{}", "keys must be an object"),
        ('{"keys": {}, "kays": {}}', "the file holds 'kays'"),
        ('{"keys": {}, "keys": {}}', "'keys' stands twice"),
        ('{"keys": {"Dev": {}}}', "the id 'Dev' in keys"),
        ('{"keys": {"dev": 1}}', "keys.dev must be an object"),
        ('{"keys": {"dev": {}}}', "keys.dev.sha256 must be 64 hex digits"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(path, text, place):
    path.write_text(text)

    with pytest.raises(KeyFileError) as caught:
        KeyFile(path)

    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"sha256": "AB" * 32}, "keys.dev.sha256"),
        ({"sha256": 7}, "keys.dev.sha256"),
        ({"tenant": ""}, "keys.dev.tenant"),
        ({"tenant": "a" * 65}, "keys.dev.tenant"),
        ({"tenant": "a/b"}, "keys.dev.tenant"),
        ({"scopes": []}, "keys.dev.scopes must"),
        ({"scopes": "ledger.read"}, "keys.dev.scopes must"),
        ({"scopes": ["ledger.read", 1]}, "keys.dev.scopes[1]"),
        ({"scopes": ["*"]}, "keys.dev.scopes[0]"),
        ({"principal": "dev"}, "keys.dev.principal"),
        ({"expires": "tomorrow"}, "keys.dev.expires"),
        ({"expires": "2027-01-01T00:00:00"}, "keys.dev.expires"),
        ({"expires": 5}, "keys.dev.expires"),
        ({"development": "yes"}, "keys.dev.development"),
        ({"skopes": []}, "keys.dev holds 'skopes'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(path, changes, place):
    write(path, {"dev": entry(**changes)})

    with pytest.raises(KeyFileError) as caught:
        KeyFile(path)

    assert place in str(caught.value)


def test_two_entries_cannot_be_the_same_key():
    data = json.dumps({"keys": {"a": entry(), "b": entry()}}).encode()

    with pytest.raises(KeyFileError, match=r"keys\.b\.sha256 is that of keys\.a"):
        parse_keys(data, where="keys.json")


def test_a_tenant_of_64_characters_is_the_longest(path):
    write(path, {"dev": entry(tenant="a" * 64)})

    assert list_keys(path)[0].tenant == "a" * 64


def test_a_file_that_others_can_write_is_refused(path):
    write(path, {"dev": entry()})
    path.chmod(0o620)

    with pytest.raises(KeyFileError, match="chmod go-w"):
        KeyFile(path)


def test_an_exposed_server_refuses_development_keys_and_says_what_to_do(path):
    create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev", development=True)
    settings = Settings(http_address="0.0.0.0:8080", keys_file=path)

    with pytest.raises(KeyFileError) as caught:
        KeyFile.from_settings(settings)

    assert "bedplate key revoke dev" in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1"])
def test_a_server_on_loopback_takes_development_keys(path, address):
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev", development=True)
    settings = Settings(http_address=address, grpc_address=address, keys_file=path)

    assert KeyFile.from_settings(settings).authenticate(text).id == "key:dev"


def test_a_development_key_that_appears_in_a_running_exposed_server_does_not_count(path, caplog):
    clock = Clock()
    keys = KeyFile(path, development=False, monotonic=clock)
    _, real = create_key(path, tenant="demo", scopes=["ledger.read"])
    _, development = create_key(path, tenant="demo", scopes=["ledger.read"], development=True)
    clock.now += LOOK_EVERY_S
    keys.authenticate(real)

    with pytest.raises(Refusal):
        keys.authenticate(development)

    assert "development keys" in caplog.text


def test_an_id_that_is_taken_is_refused_and_the_first_key_stays(path):
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev")

    with pytest.raises(KeyFileError, match="has a key dev already"):
        create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev")

    KeyFile(path).authenticate(text)


@pytest.mark.parametrize(
    "wrong", [{"tenant": "A B"}, {"scopes": []}, {"scopes": ["x"]}, {"key_id": "a_b"}, {"key_id": "a" * 33}]
)
def test_a_key_with_a_wrong_value_is_not_written(path, wrong):
    with pytest.raises(KeyFileError):
        create_key(path, **{"tenant": "demo", "scopes": ["ledger.read"], **wrong})

    assert not path.exists()


def test_revoking_an_unknown_key_names_the_known_ones(path):
    create_key(path, tenant="demo", scopes=["ledger.read"], key_id="one")

    with pytest.raises(KeyFileError, match="It has: one"):
        revoke_key(path, "two")


def test_a_keys_scopes_can_change_and_its_text_stays(path):
    _, text = create_key(path, tenant="demo", scopes=["ledger.read"], key_id="dev")

    set_scopes(path, "dev", ["rates.read"])

    assert KeyFile(path).authenticate(text).scopes == {"rates.read"}


def test_keys_are_listed_by_id_with_all_they_say(path):
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    create_key(path, tenant="demo", scopes=["ledger.read"], key_id="b", expires=expires, development=True)
    create_key(path, tenant="demo", scopes=["ledger.read"], key_id="a")

    first, second = list_keys(path)

    assert (first.id, first.expires, first.development) == ("a", None, False)
    assert (second.id, second.expires, second.development) == ("b", expires, True)


def test_keys_that_are_made_at_once_by_several_processes_are_all_kept(path):
    script = (
        "import sys; from pathlib import Path; from bedplate.auth.keys import create_key\n"
        "for _ in range(5): create_key(Path(sys.argv[1]), tenant='demo', scopes=['ledger.read'])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(4)]

    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]

    assert len(list_keys(path)) == 20


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(KeyFileError, match="cannot be written"):
        create_key(tmp_path / "file" / "keys.json", tenant="demo", scopes=["ledger.read"])
