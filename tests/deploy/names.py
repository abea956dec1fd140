"""A name server as a cluster has one: a name leads to the addresses of all pods that are ready."""

import socket
import socketserver
import struct
import threading
from types import TracebackType

_ADDRESS, _INTERNET = 1, 1
_OK, _NO_SUCH_NAME = 0x8180, 0x8183


class Names:
    """Answers questions for addresses on a port of this machine.

    Attributes:
        addresses: Of each name, IPv4; others may change them while it answers.
        asked: How often each name was asked for.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked: dict[str, int] = {}
        names = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                sock.sendto(names._answer(data), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def authority(self) -> str:
        """Where it answers, `host:port`."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        kind, _ = struct.unpack(">HH", question[at + 1 : at + 5])
        # Whatever the machine's search list puts behind a name of one label.
        found = self.addresses.get(labels[0]) if labels else None
        if found and kind == _ADDRESS:
            self.asked[labels[0]] = self.asked.get(labels[0], 0) + 1
        told = found if found and kind == _ADDRESS else []
        flags = _NO_SUCH_NAME if found is None else _OK
        answer = struct.pack(">HHHHHH", int.from_bytes(question[:2]), flags, 1, len(told), 0, 0)
        answer += question[12 : at + 5]
        for address in told:
            # Its name is the question's; nobody may keep it: a pod may be gone the next moment.
            answer += struct.pack(">HHHLH", 0xC00C, _ADDRESS, _INTERNET, 0, 4) + socket.inet_aton(address)
        return answer

    def __enter__(self) -> "Names":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
