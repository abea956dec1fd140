"""FastAPI with the service's logic in it: no protobuf and no gRPC anywhere.

As its documentation writes it: the key and its scope by dependencies, the
service's own error mapped by a handler.
"""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tests.bench.servers.payment import Charge, State
from tests.bench.servers.process import KEY, PATH, serve, start_asgi

SCOPES = {KEY: frozenset({"payments.write"})}

app = FastAPI()
bearer = HTTPBearer()


class NotPossible(Exception):
    """The service's own refusal."""


@app.exception_handler(NotPossible)
async def not_possible(request: Request, error: NotPossible) -> JSONResponse:
    """Its answer."""
    return JSONResponse({"detail": str(error)}, status_code=409)


async def scopes(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> frozenset[str]:
    """What the caller's key may do."""
    found = SCOPES.get(credentials.credentials)
    if found is None:
        raise HTTPException(401)
    return found


async def may_write(granted: Annotated[frozenset[str], Depends(scopes)]) -> None:
    """Refuse who may not charge."""
    if "payments.write" not in granted:
        raise HTTPException(403)


@app.post(PATH, dependencies=[Depends(may_write)])
async def charge(body: Charge) -> Charge:
    """Copy the payment, and fill two fields in."""
    return Charge(payment=body.payment.model_copy(update={"state": State.HELD, "captured": True}))


async def start() -> int:
    """Serve on a free port."""
    return await start_asgi(app)


if __name__ == "__main__":
    serve(start)
