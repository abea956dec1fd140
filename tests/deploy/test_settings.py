"""Every process that deploy/ starts: its settings are taken, its command is one, its end fits."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer

from bedplate.auth.keys import KeyFile
from bedplate.cli.main import app
from bedplate.data.page import load_shared_key
from bedplate.services.registry import NAMES
from bedplate.settings import Settings, parse_address
from bedplate.telemetry.spans import EXPORT_S
from bedplate.transport.http import LAST_WORD_S
from bedplate.transport.tls import TlsFiles
from tests.deploy.manifests import DOCUMENTATION, Deployed, Machine, deployed

ALL = deployed()
RUNNING = [each for each in ALL if each.words[0] != "migrate"]
# Closing the database and the like.
REST_S = 2.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA) -> Any:
    """Loads a process's settings as it would itself."""

    def loaded(process: Deployed) -> Settings:
        for name in [name for name in os.environ if name.startswith("BEDPLATE_")]:
            monkeypatch.delenv(name)
        monkeypatch.chdir(tmp_path)
        for name, value in Machine(tmp_path, authority).environment(process).items():
            monkeypatch.setenv(name, value)
        return Settings.load()

    return loaded


def parse(words: tuple[str, ...]) -> None:
    """Have the command read a command line, and do nothing of it."""
    command: Any = typer.main.get_command(app)
    rest, parent = list(words), None
    while hasattr(command, "resolve_command"):
        parent = command.make_context("bedplate", rest, parent=parent)
        name, command, rest = command.resolve_command(parent, rest)
    command.make_context(name, rest, parent=parent)


def test_the_deployments_have_the_processes_of_the_split():
    names = {
        origin: {p.name for p in RUNNING if p.origin == origin} for origin in ("compose.yaml", "overlays")
    }

    split = {*NAMES, *(f"{noun}-gateway" for noun in NAMES)}
    assert names == {"compose.yaml": split, "overlays": split}


@pytest.mark.parametrize("process", ALL, ids=str)
def test_its_settings_are_taken_and_it_would_start_with_them(process, load):
    settings = load(process)

    if process.words[0] == "migrate":
        assert settings.database_url.startswith("postgresql://")
        return
    settings.refuse_plaintext()
    TlsFiles.from_settings(settings)
    if process.words[0] == "serve":
        KeyFile.from_settings(settings)
        if settings.page_key_file:
            load_shared_key(settings.page_key_file)
    assert settings.production
    assert settings.health_address


@pytest.mark.parametrize("process", ALL, ids=str)
def test_its_command_line_is_one_and_names_services_that_there_are(process):
    parse(process.words)

    if process.words[0] in ("serve", "migrate"):
        assert set(process.words[1:]) <= {*NAMES, "bedplate"}


@pytest.mark.parametrize("process", RUNNING, ids=str)
def test_it_has_time_to_drain_before_it_is_killed(process, load):
    settings = load(process)

    waits = settings.drain_wait_s + settings.drain_refuse_s + settings.stop_grace_s
    assert process.grace_s >= waits + EXPORT_S + LAST_WORD_S + REST_S


@pytest.mark.parametrize("process", [each for each in RUNNING if each.ports], ids=str)
def test_it_listens_where_its_manifest_says_and_nowhere_else_for_others(process, load):
    settings = load(process)
    addresses = {
        "https": settings.http_address,
        "grpc": settings.grpc_address,
        "health": settings.health_address,
    }

    open_to_others = {
        name: address.port
        for name, address in ((name, parse_address(text)) for name, text in addresses.items())
        if not address.loopback
    }

    assert process.ports == open_to_others
    assert settings.tls_certificate is not None
    assert not settings.tls_elsewhere


@pytest.mark.parametrize("process", [each for each in RUNNING if each.words[0] == "serve"], ids=str)
def test_replicas_of_it_share_what_they_must(process, load):
    settings = load(process)

    if process.origin in ("systemd", "Containerfile"):
        return  # one process with a data folder of its own
    assert settings.database_url.startswith("postgresql://")
    assert settings.valkey_url
    assert settings.keys_file
    assert settings.page_key_file
    assert 0 < settings.database_pool <= 16


def test_no_password_stands_in_a_manifest():
    for process in ALL:
        assert not {"BEDPLATE_DATABASE_URL", "BEDPLATE_VALKEY_URL", "BEDPLATE_UPSTREAM_KEY"} & {
            *process.environment
        }


def commands_of_the_page() -> list[str]:
    """What its blocks have `bedplate` do."""
    blocks = "".join(re.findall(r"^```sh(?:ell)?\n(.*?)^```", DOCUMENTATION.read_text(), re.M | re.S))
    found = []
    for line in blocks.replace("\\\n", " ").splitlines():
        words = shlex.split(line.partition(" > ")[0]) if "bedplate " in line else []
        at = [index for index, word in enumerate(words) if Path(word).name == "bedplate"]
        if at and words[0] not in ("useradd", "kubectl", "systemctl"):
            found.append(shlex.join(words[at[-1] + 1 :]))
    return found


def test_the_page_has_commands():
    assert {line.split()[0] for line in commands_of_the_page()} >= {"key", "override", "call"}


@pytest.mark.parametrize("line", commands_of_the_page())
def test_a_command_of_the_page_is_one(line):
    parse(tuple(shlex.split(line)))
