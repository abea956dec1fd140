"""What keeps a server from starting that is no bug: said in one sentence, with an exit code of its own."""

import socket

import pytest

FREE = {"BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0", "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0"}


@pytest.fixture
def begin(command, tmp_path, monkeypatch):
    """Runs a command with settings, in a folder with two files that are none of ours."""
    (tmp_path / "notes").write_text("none of a server's")
    (tmp_path / "notes.db").write_text("no database, whatever its name says")

    def run(*arguments, **settings):
        for name, value in (FREE | settings).items():
            monkeypatch.setenv(name, value)
        return command(*arguments)

    return run


@pytest.mark.parametrize("arguments", [("up",), ("serve", "ledger"), ("migrate",)])
@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"BEDPLATE_DATA_DIR": "notes"}, 3, "notes"),
        ({"BEDPLATE_DATABASE_URL": "sqlite:///notes/books.db"}, 3, "notes"),
        ({"BEDPLATE_DATABASE_URL": "sqlite:///notes.db"}, 5, "file is not a database"),
    ],
)
def test_a_place_for_data_that_cannot_be_is_told_in_words(begin, arguments, settings, code, says):
    ended, _, error = begin(*arguments, **settings)

    assert ended == code
    assert says in error
    assert "Traceback" not in error


@pytest.mark.parametrize("place", ["notes", "."])
def test_a_place_for_the_log_that_cannot_be_is_told_in_words(begin, place):
    log = "notes/server.log" if place == "notes" else place

    ended, _, error = begin("serve", "ledger", BEDPLATE_LOG_FILE=log)

    assert ended == 3
    assert f"{place} cannot be used: " in error


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "assign requested address"),  # of a network for documents
        ("127.0.0.1", "in use"),
    ],
)
def test_an_address_that_cannot_be_listened_at_is_told_with_the_reason(begin, host, why):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"

        ended, _, error = begin(
            "serve", "ledger", BEDPLATE_HTTP_ADDRESS=address, BEDPLATE_TLS_ELSEWHERE="true"
        )

    assert ended == 4
    assert f"cannot listen on {address} for HTTP (" in error
    assert why in error
