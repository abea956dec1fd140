"""`bedplate up --reload`: a server that follows its files.

This process watches and generates; the server is a child of its own, so that
what was imported is gone with it. While something is wrong in a contract the
last server that worked goes on answering.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import typer

from bedplate.project import Project

# How often the files are looked at where watchfiles is not installed, and how
# often the server is asked whether it still runs, seconds.
LOOK_EVERY_S = 0.25
# An editor that saves several files is waited for so long, milliseconds.
SETTLE_MS = 100
STOP_MAX_S = 15.0


def run_reloading(project: Project, names: Sequence[str], *, log: str) -> int:
    """Run services and start them again whenever contracts or code change, until a signal says stop.

    Returns:
        The exit code.
    """
    reloader = _Reloader(project, [*names, *(("--log", log) if log else ())])
    before = {number: signal.signal(number, reloader.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return reloader.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Reloader:
    def __init__(self, project: Project, arguments: Sequence[str]) -> None:
        self._project = project
        self._arguments = list(arguments)
        self._stopping = threading.Event()
        self._server: subprocess.Popen[bytes] | None = None
        self._started = False
        self._told_end = False
        # The contracts as they were when they were generated last.
        self._generated: dict[Path, tuple[int, int]] = {}

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """A signal came: the server drains, and a second one stops it hard."""
        if self._stopping.is_set() and self._server is not None and self._server.poll() is None:
            self._server.terminate()
        self._stopping.set()

    def run(self) -> int:
        folders = [folder for folder in (self._project.protos, *self._project.sources) if folder.is_dir()]
        changes = watch(folders, self._stopping)
        next(changes, None)  # what changes from now on is seen
        if self._generate() and not self._stopping.is_set():
            self._start()
        for changed in changes:
            missed = self._missed() if changed or self._told_end else []
            if changed or missed:
                self._follow([*changed, *missed])
            self._tell_end()
        return self._end()

    def _missed(self) -> list[Path]:
        """Contracts that are not as they were generated.

        The system tells nothing of a file that is in a new folder before the
        folder is watched.
        """
        now = _contracts(self._project)
        return [
            path for path in now.keys() | self._generated.keys() if now.get(path) != self._generated.get(path)
        ]

    def _follow(self, changed: Sequence[Path]) -> None:
        shown = ", ".join(sorted({_shown(path) for path in changed})[:3])
        typer.secho(f"{shown} changed", bold=True)
        broken = [line for path in changed if (line := _syntax_error(path))]
        for line in broken:
            typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
            typer.echo(line, err=True)
        if not broken and (all(path.suffix != ".proto" for path in changed) or self._generate()):
            self._end()
            if not self._stopping.is_set():
                self._start()
        elif self._server is not None and self._server.poll() is None:
            typer.echo("The server from before goes on.")

    def _generate(self) -> bool:
        """Generate; False when the contracts have mistakes, which were told."""
        self._generated = _contracts(self._project)
        command = list(self._project.generate) or [*_BEDPLATE, "generate"]
        done = subprocess.run(command, cwd=self._project.root, stdout=subprocess.DEVNULL)  # noqa: S603
        if done.returncode and not self._stopping.is_set():
            typer.echo("Waiting for the contracts to be mended.")
        return not done.returncode

    def _start(self) -> None:
        # Nobody else calls a laptop: no caller has to be told to go elsewhere.
        environment = {"BEDPLATE_DRAIN_REFUSE_S": "0", **os.environ}
        again = ["--again"] if self._started else []
        self._server = subprocess.Popen(  # noqa: S603
            [*_BEDPLATE, "up", *self._arguments, "--watched", *again],
            env=environment,
            # It ends when this one is gone, however that came: a pipe tells it.
            stdin=subprocess.PIPE,
            # Ctrl-C comes here alone and is handed on, once.
            process_group=0,
        )
        self._started, self._told_end = True, False

    def _tell_end(self) -> None:
        if self._server is None or self._server.poll() is None or self._told_end:
            return
        self._told_end = True
        if not self._stopping.is_set():
            typer.echo("The server ended. Waiting for a change.")

    def _end(self) -> int:
        """End the server, if there is one; its exit code."""
        if self._server is None:
            return 0
        if self._server.poll() is None:
            self._server.terminate()
        try:
            return self._server.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            return self._server.wait()
        finally:
            assert self._server.stdin is not None, "the pipe was asked for"
            self._server.stdin.close()


def end_with_watcher() -> None:
    """Stop this process, which a watcher started, when the watcher is gone: its end of the pipe closes."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="watcher", daemon=True).start()


_BEDPLATE = (sys.executable, "-m", "bedplate.cli.main")


def watch(folders: Sequence[Path], stop: threading.Event) -> Iterator[Sequence[Path]]:
    """Files that changed, as they change; none now and then, the first time as soon as it watches.

    Args:
        folders: Watched with all below them.
        stop: Ends it.
    """
    try:
        import watchfiles
    except ModuleNotFoundError:
        yield from _look(folders, stop)
        return
    found = watchfiles.watch(
        *folders,
        watch_filter=lambda _, path: _is_source(Path(path)),
        debounce=SETTLE_MS,
        stop_event=stop,
        rust_timeout=int(LOOK_EVERY_S * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for changes in found:
        yield [Path(path) for _, path in changes]


def _look(folders: Sequence[Path], stop: threading.Event) -> Iterator[Sequence[Path]]:
    seen = _times(folders)
    yield ()
    while not stop.wait(LOOK_EVERY_S):
        now = _times(folders)
        changed = [path for path in seen.keys() | now.keys() if seen.get(path) != now.get(path)]
        if changed:
            # The next ones of the same save.
            stop.wait(SETTLE_MS / 1000)
        seen = now
        yield changed


def _times(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                state = path.stat()
            except OSError:
                continue  # it went meanwhile
            if _is_source(path) and path.is_file():
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def _contracts(project: Project) -> dict[Path, tuple[int, int]]:
    return {path: state for path, state in _times([project.protos]).items() if path.suffix == ".proto"}


def _is_source(path: Path) -> bool:
    """Whether a change of a file means anything: neither what Python writes nor what editors leave."""
    left = path.suffix in ("", ".pyc", ".swp", ".tmp") or path.name.startswith(".") or path.name.endswith("~")
    return not left and "__pycache__" not in path.parts


def _syntax_error(path: Path) -> str:
    """Where a Python file is no Python, and why; empty when it is."""
    if path.suffix != ".py":
        return ""
    try:
        compile(path.read_bytes(), str(path), "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return f"{_shown(path)}:{line}: {getattr(error, 'msg', error)}"
    except OSError:
        pass  # it is gone: a start says whether something misses it
    return ""


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(path)
