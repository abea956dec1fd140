"""The development key and the log of `bedplate up`, without a server."""

import pytest

from bedplate.auth.keys import KeyFile, create_key, list_keys
from bedplate.cli.up import LOG_BYTES_MAX, _with_log, ensure_dev_key
from bedplate.settings import Settings


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_the_key_is_the_same_every_time(data):
    settings = Settings(data_dir=data)

    first, second = ensure_dev_key(settings), ensure_dev_key(settings)

    assert first == second
    assert KeyFile(data / "keys.json").authenticate(first).tenant == "demo"


@pytest.mark.parametrize("exposed", [{"production": True}, {"grpc_address": "0.0.0.0:1"}])
def test_none_is_made_where_it_would_not_count(data, exposed):
    assert ensure_dev_key(Settings(data_dir=data, **exposed)) == ""
    assert not data.exists()


def test_none_is_made_in_a_file_that_the_operator_keeps(data, tmp_path):
    keys = tmp_path / "own.json"

    assert ensure_dev_key(Settings(data_dir=data, keys_file=keys)) == ""
    assert not keys.exists()


def test_other_keys_of_the_file_stay(data):
    _, text = create_key(data / "keys.json", tenant="acme", scopes=["ledger.read"], key_id="own")

    ensure_dev_key(Settings(data_dir=data))

    assert [key.id for key in list_keys(data / "keys.json")] == ["dev", "own"]
    assert KeyFile(data / "keys.json").authenticate(text).tenant == "acme"


def test_a_text_that_is_not_the_keys_is_replaced(data):
    settings = Settings(data_dir=data)
    ensure_dev_key(settings)
    (data / "dev-key").write_text("bp_dev_something_else\n")

    text = ensure_dev_key(settings)

    assert (data / "dev-key").read_text().strip() == text
    KeyFile(data / "keys.json").authenticate(text)


def test_the_log_is_a_file_unless_somebody_says_where(data, monkeypatch):
    assert _with_log(Settings(data_dir=data), "").log_file == str(data / "bedplate.log")
    assert _with_log(Settings(data_dir=data), "-").log_file == "-"
    monkeypatch.setenv("BEDPLATE_LOG_FILE", "/elsewhere.log")
    assert _with_log(Settings(data_dir=data), "").log_file == "/elsewhere.log"


@pytest.mark.parametrize(("size", "moved"), [(LOG_BYTES_MAX, False), (LOG_BYTES_MAX + 1, True)])
def test_a_log_that_is_too_large_makes_room_at_the_start(data, size, moved):
    data.mkdir()
    with (data / "bedplate.log").open("wb") as log:
        log.truncate(size)

    _with_log(Settings(data_dir=data), "")

    assert (data / "bedplate.log.1").exists() is moved
