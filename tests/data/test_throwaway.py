"""Throw-away servers: whatever happens to their tests, nothing of them stays."""

import signal
import subprocess
import sys
from pathlib import Path

from bedplate.testing.databases import PostgresServer, _alive
from tests.data.signals import until

OWNER = """
import sys
from bedplate.testing.databases import PostgresServer
server = PostgresServer()
server.start()
print(server.folder, flush=True)
sys.stdin.read()
"""


async def test_a_server_whose_process_is_killed_ends_and_takes_its_folder_along():
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())
    postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    await until(lambda: not folder.exists())
    await until(lambda: not _alive(postmaster))


def test_databases_of_one_server_know_nothing_of_each_other(postgres_server: PostgresServer):
    one, two = postgres_server.create_database(), postgres_server.create_database()

    assert one != two
    names = {row[0] for row in postgres_server.execute("SELECT datname FROM pg_database")}
    assert {url.partition("?")[0].rpartition("/")[2] for url in (one, two)} <= names
    for url in (one, two):
        postgres_server.drop_database(url)
    assert len(postgres_server.execute("SELECT datname FROM pg_database")) == len(names) - 2
