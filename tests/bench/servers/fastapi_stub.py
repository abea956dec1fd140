"""FastAPI in front of a gRPC service in another process, as such adapters are written by hand."""

import sys
from typing import Any

import grpc
from fastapi import FastAPI, Header, HTTPException
from google.protobuf.json_format import MessageToDict, ParseDict

from tests.bench import contract
from tests.bench.servers.payment import Charge
from tests.bench.servers.process import KEY, serve, start_asgi

app = FastAPI()
STUB: dict[str, Any] = {}


@app.post(contract.PATH)
async def charge(body: Charge, authorization: str = Header("")) -> Charge:
    """Translate, call, translate back."""
    if authorization != f"Bearer {KEY}":
        raise HTTPException(401)
    request = ParseDict(body.model_dump(mode="json"), contract.ChargeRequest())
    response = await STUB["charge"](request, timeout=4)
    return Charge.model_validate(MessageToDict(response))


async def start() -> int:
    """Serve on a free port, in front of the service whose port is the first argument."""
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
    STUB["charge"] = channel.unary_unary(
        contract.METHOD,
        request_serializer=contract.ChargeRequest.SerializeToString,
        response_deserializer=contract.ChargeResponse.FromString,
    )
    return await start_asgi(app)


if __name__ == "__main__":
    serve(start)
