"""Replicas that share a key take each other's page tokens; those that do not refuse them."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bedplate.auth.keys import create_key
from bedplate.data.page import load_shared_key
from bedplate.settings import SettingsError
from tests.cli.conftest import run_in
from tests.faults.platform import SCOPES, Platform


def ask(platform: Platform, path: str, body: object = None) -> dict[str, object]:
    request = urllib.request.Request(
        f"{platform.http_url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {platform.key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "each its own"])
def test_a_page_that_one_process_began_goes_on_at_another(tmp_path, postgresql_url, shared):
    page_key, keys = tmp_path / "page.key", tmp_path / "keys.json"
    page_key.write_bytes(os.urandom(32))
    page_key.chmod(0o440)
    _, key = create_key(keys, tenant="tenant-a", scopes=SCOPES)
    environment = {"BEDPLATE_KEYS_FILE": str(keys)}
    if shared:
        environment["BEDPLATE_PAGE_KEY_FILE"] = str(page_key)

    def replica(name: str) -> Platform:
        return Platform(tmp_path / name, database_url=postgresql_url, environment=environment, key=key)

    with replica("one") as one, replica("other") as other:
        for name in ("first", "second"):
            ask(one, "/v1/ledgers", {"ledgerId": name})
        began = ask(one, "/v1/ledgers?pageSize=1")

        went_on = ask(other, f"/v1/ledgers?pageSize=1&pageToken={began['nextPageToken']}")

    assert [ledger["ledgerId"] for ledger in began["ledgers"]] == ["first"]
    if shared:
        assert [ledger["ledgerId"] for ledger in went_on["ledgers"]] == ["second"]
    else:
        assert went_on["reason"] == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (None, 0, "cannot be read: No such file or directory. Make it once, for all replicas: head -c 32"),
        (b"x" * 31, 0o600, "holds no key of 32 bytes"),
        (b"x" * 33, 0o600, "holds no key of 32 bytes"),
        (b"x" * 32, 0o644, "can be read by others"),
        (b"x" * 32, 0o620, "can be read by others"),
    ],
)
def test_a_shared_key_that_cannot_be_used_stops_the_start_in_words(tmp_path: Path, content, mode, says):
    path = tmp_path / "page.key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)

    with pytest.raises(SettingsError, match="BEDPLATE_PAGE_KEY_FILE names") as refused:
        load_shared_key(path)

    assert says in str(refused.value)
    assert str(content) not in str(refused.value)


def test_up_says_so_and_makes_no_key(tmp_path):
    done = run_in(
        tmp_path,
        "up",
        env={
            "BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0",
            "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0",
            "BEDPLATE_PAGE_KEY_FILE": "nowhere/page.key",
        },
    )

    assert done.returncode == 3
    assert "BEDPLATE_PAGE_KEY_FILE names nowhere/page.key" in done.stderr
    assert not (tmp_path / "nowhere").exists()
