"""A wire between client and PostgreSQL that can be cut at a chosen moment."""

import contextlib
import socket
import threading
from pathlib import Path

SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Forwards a socket in one folder to that in another.

    Attributes:
        cut_after: Once the client has sent these bytes and the server has
            answered them, the answer is dropped and the wire cut.
        hold: Once the client has sent these bytes, nothing more is forwarded.
        fired: Either has happened.
    """

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.cut_after = b""
        self.hold = b""
        self.fired = threading.Event()
        self._upstream = upstream
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                self._open += [client, server]
                server.connect(str(self._upstream / SOCKET))
                wire = _Wire(self, client, server)
                for target in (wire.up, wire.down):
                    self._threads.append(threading.Thread(target=target))
                    self._threads[-1].start()


class _Wire:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._cut = False

    def up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                if self._proxy.hold and self._proxy.hold in data:
                    self._proxy.fired.set()
                    continue
                if self._proxy.cut_after and self._proxy.cut_after in data:
                    self._cut = True
                self._server.sendall(data)
        self._end()

    def down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._cut:
                    self._proxy.fired.set()
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
