"""Reads responses that come in chunks."""

from tests.gateway.http_door import Open
from tests.gateway.wire import Wire, request


async def read_head(wire: Wire) -> tuple[int, dict[str, str]]:
    head = (await wire._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): value for name, value in fields.items()}


async def read_chunk(wire: Wire) -> bytes:
    size = int(await wire._reader.readuntil(b"\r\n"), 16)
    data = await wire._reader.readexactly(size + 2)
    return data[:-2]


async def read_all(wire: Wire) -> bytes:
    """All chunks up to the last."""
    pieces = []
    while piece := await read_chunk(wire):
        pieces.append(piece)
    return b"".join(pieces)


async def stream(served: Open, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    async with Wire(served.address) as wire:
        await wire.send(request("GET", target, **headers))
        status, fields = await read_head(wire)
        if "content-length" in fields:
            return status, fields, await wire._reader.readexactly(int(fields["content-length"]))
        assert fields["transfer-encoding"] == "chunked"
        body = await read_all(wire)
        # The connection lives on.
        reply = await wire.call("GET", "/healthz")
        assert reply.status == 200
        return status, fields, body
