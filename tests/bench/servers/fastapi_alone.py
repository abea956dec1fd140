"""FastAPI with the service's logic in it: no protobuf and no gRPC anywhere."""

from fastapi import FastAPI, Header, HTTPException

from tests.bench.servers.payment import Charge, State
from tests.bench.servers.process import KEY, PATH, serve, start_asgi

app = FastAPI()


@app.post(PATH)
async def charge(body: Charge, authorization: str = Header("")) -> Charge:
    """Copy the payment, and fill two fields in."""
    if authorization != f"Bearer {KEY}":
        raise HTTPException(401)
    return Charge(payment=body.payment.model_copy(update={"state": State.HELD, "captured": True}))


async def start() -> int:
    """Serve on a free port."""
    return await start_asgi(app)


if __name__ == "__main__":
    serve(start)
