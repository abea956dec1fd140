"""The lock file: one process at a time, free again however that one ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bedplate.data import Database
from bedplate.data.lock import InUseError
from bedplate.data.migrate import migrate

OTHER = """
import sys
from bedplate.data import Database
database = Database.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'a.db'}"


@pytest.fixture
def other(url):
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_with_the_pid_of_the_first(other, url, tmp_path):
    with pytest.raises(InUseError, match=f"process {other.pid};") as caught:
        Database.open(url)
    with pytest.raises(InUseError):
        migrate(url, "shop", tmp_path)

    assert caught.value.pid == other.pid


async def test_after_kill_9_the_lock_is_free(other, url, tmp_path):
    other.kill()
    other.wait()

    database = Database.open(url)

    assert (tmp_path / "a.db.lock").read_text() == f"{os.getpid()}\n"
    await database.close()


async def test_one_process_may_open_it_twice_and_the_last_close_frees_it(url):
    first, second = Database.open(url), Database.open(url)
    await first.close()
    await first.close()
    opens = [sys.executable, "-c", OTHER, url]

    refused = subprocess.run(opens, input="", capture_output=True, text=True)
    await second.close()
    allowed = subprocess.run(opens, input="", capture_output=True, text=True)

    assert f"process {os.getpid()};" in refused.stderr
    assert allowed.stdout == "open\n"


async def test_a_link_to_the_file_is_the_same_file(url, tmp_path):
    database = Database.open(url)
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")

    refused = subprocess.run(
        [sys.executable, "-c", OTHER, f"sqlite:///{tmp_path / 'link.db'}"],
        input="",
        capture_output=True,
        text=True,
    )

    assert "is in use by process" in refused.stderr
    await database.close()
