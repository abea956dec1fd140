"""FastAPI in front of a gRPC service in another process, as such adapters are written by hand."""

import asyncio
import sys
from datetime import datetime
from typing import Any

import grpc
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel, Field

from tests.bench import contract
from tests.bench.servers.process import KEY, serve


class Line(BaseModel):
    """One line."""

    sku: str
    title: str = Field(max_length=200)
    quantity: int = Field(gt=0)
    amountMinor: int = Field(gt=0)


class Payment(BaseModel):
    """The payment as JSON."""

    paymentId: str = Field(max_length=64)
    customerId: str
    merchantId: str
    amountMinor: int = Field(gt=0)
    feeMinor: int = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")
    state: str = "STATE_UNSPECIFIED"
    description: str = Field("", max_length=512)
    email: str = ""
    country: str = ""
    lines: list[Line] = Field(default_factory=list, max_length=100)
    metadata: dict[str, str] = Field(default_factory=dict)
    createTime: datetime
    fingerprint: str = ""
    captured: bool = False
    riskScore: float = 0.0


class Charge(BaseModel):
    """The request, and the answer."""

    payment: Payment


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
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    STUB["task"] = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


if __name__ == "__main__":
    serve(start)
