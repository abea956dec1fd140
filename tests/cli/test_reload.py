"""`bedplate up --reload`: a server that follows its files, with real files and processes."""

import json
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bedplate.cli import reload
from tests.cli.conftest import run_in
from tests.faults.platform import BEDPLATE, free_port
from tests.stranger.page import Running

pytestmark = pytest.mark.timeout(240)

PROTO = "protos/acme/greeter/v1/greeter.proto"
HANDLERS = "services/acme/services/greeter/handlers.py"
# As if watchfiles were not installed.
WITHOUT = (
    "import sys; sys.modules['watchfiles'] = None; "
    "from bedplate.cli.main import main; main()"
)  # fmt: skip
# As if the system did not tell of contracts, as it does of one in a folder that is new.
DEAF = (
    "from bedplate.cli import reload; watch = reload.watch; "
    "told = lambda paths: [path for path in paths if path.suffix != '.proto']; "
    "reload.watch = lambda *given: map(told, watch(*given)); "
    "from bedplate.cli.main import main; main()"
)


class Acme:
    """A project whose services run and follow its files."""

    def __init__(self, folder: Path, *, script: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        done = run_in(folder, "new", "service", "greeter")
        assert done.returncode == 0, done.stderr
        self.http = f"127.0.0.1:{free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "BEDPLATE_HTTP_ADDRESS": self.http,
            "BEDPLATE_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        }
        command = f'{sys.executable} -c "{script}"' if script else str(BEDPLATE)
        self.server = Running(f"{command} up --reload", folder, environment)
        self.server.expect("Ctrl-C stops it.")

    def change(self, file: str, old: str, new: str) -> int:
        """Change a file at one place; its line, from 1."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return text.partition(old)[0].count("\n") + 1

    def ask(self, path: str, body: object = None) -> object:
        """Call over HTTP."""
        key = (self.folder / ".bedplate" / "dev-key").read_text().strip()
        request = urllib.request.Request(
            f"http://{self.http}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    made = Acme(tmp_path / "acme")
    yield made
    made.server.stop()


def test_mistakes_are_shown_in_place_and_mended_and_the_database_stays(acme):
    note = {"noteId": "first", "text": "Hello"}
    acme.ask("/v1/greeter/notes", note)

    line = acme.change(PROTO, "string text = 2;", "strin text = 2;")
    acme.server.expect(f"error: {PROTO}:{line}:3: ")
    acme.server.expect("The server from before goes on.")
    assert acme.ask("/v1/greeter/notes/first") == {"note": note}
    acme.change(PROTO, "strin text = 2;", "string text = 2;")
    acme.server.expect("up again")
    assert acme.ask("/v1/greeter/notes/first") == {"note": note}

    line = acme.change(HANDLERS, "    return pb.Note(", "    return return pb.Note(")
    acme.server.expect(f"error: {HANDLERS}:{line}: invalid syntax")
    acme.server.expect("The server from before goes on.")
    assert acme.ask("/v1/greeter/notes/first") == {"note": note}
    acme.change(HANDLERS, "    return return pb.Note(", "    return pb.Note(")
    acme.server.expect("up again")

    line = acme.change(PROTO, "rpc GetNote(", "rpc FetchNote(")
    acme.server.expect(
        re.compile(rf"error: {PROTO}:{line}: \S+/FetchNote has no handler.*async def FetchNote")
    )
    acme.server.expect("The server ended. Waiting for a change.")
    acme.change(HANDLERS, "def GetNote(", "def FetchNote(")
    acme.server.expect("up again")
    assert acme.ask("/v1/greeter/notes/first") == {"note": note}


def test_a_second_service_runs_as_soon_as_it_is_made_also_when_nothing_tells_of_its_contract(tmp_path):
    acme = Acme(tmp_path / "acme", script=DEAF)
    try:
        done = run_in(acme.folder, "new", "service", "billing")

        assert done.returncode == 0, done.stderr
        acme.server.expect("greeter, billing: up again")
        assert acme.ask("/v1/billing/notes") == {}
        assert acme.ask("/v1/greeter/notes") == {}
    finally:
        acme.server.stop()


def test_a_signal_ends_the_server_with_the_watcher(acme):
    acme.server.process.send_signal(signal.SIGTERM)

    assert acme.server.process.wait(30) == 0
    with pytest.raises(urllib.error.URLError):
        acme.ask("/v1/greeter/notes")


def test_a_watcher_that_is_killed_takes_its_server_with_it(acme):
    acme.change(HANDLERS, "PAGE_SIZE_DEFAULT = 100", "PAGE_SIZE_DEFAULT = 50")
    acme.server.expect("up again")

    acme.server.process.kill()
    acme.server.expect_end()

    with pytest.raises(urllib.error.URLError):
        acme.ask("/v1/greeter/notes")


def test_it_follows_where_watchfiles_is_not_installed(tmp_path):
    acme = Acme(tmp_path / "acme", script=WITHOUT)
    try:
        acme.change(HANDLERS, "PAGE_SIZE_DEFAULT = 100", "PAGE_SIZE_DEFAULT = 50")

        acme.server.expect(f"{HANDLERS} changed\ngreeter: up again")
    finally:
        assert acme.server.stop() == 0


def test_outside_of_a_project_there_is_nothing_to_follow(run):
    done = run("up", "--reload")

    assert done.returncode == 2
    assert "bedplate new service NAME" in done.stderr


@pytest.fixture(params=["watchfiles", "polling"])
def changes(request, tmp_path, monkeypatch):
    """What changes in a folder, by either way of watching."""
    if request.param == "polling":
        monkeypatch.setitem(sys.modules, "watchfiles", None)
    stop = threading.Event()
    (tmp_path / "known.py").touch()
    watched = reload.watch([tmp_path], stop)
    next(watched)
    yield watched
    stop.set()
    assert list(watched) in ([], [[]])


def following(changes) -> list[str]:
    """Names of the next files that change."""
    return sorted({path.name for path in next(found for found in changes if found)})


def test_new_changed_and_removed_files_are_seen_and_those_of_tools_are_not(changes, tmp_path):
    for name in (".swap.py", "notes.py~", "notes.pyc", "sedXa4"):
        (tmp_path / name).touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "notes.py").touch()
    (tmp_path / "new.proto").touch()
    assert following(changes) == ["new.proto"]

    (tmp_path / "known.py").write_text("changed")
    assert following(changes) == ["known.py"]

    (tmp_path / "known.py").unlink()
    assert following(changes) == ["known.py"]
