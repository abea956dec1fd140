"""grpc.aio with the service as one writes it behind a gateway: a key, validation, errors as statuses."""

import secrets
from typing import Any

import grpc
import protovalidate

from tests.bench import contract
from tests.bench.servers import grpc_aio_bare
from tests.bench.servers.process import KEY, serve

REQUIRED = ("payment_id", "customer_id", "merchant_id")


async def charge(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    """Check who calls and what with, and answer."""
    sent = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
    if sent != [f"Bearer {KEY}"]:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the key is not valid")
    payment = request.payment
    if not all(getattr(payment, name) for name in REQUIRED) or not all(line.sku for line in payment.lines):
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a required field is not set")
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    try:
        return contract.charge(request)
    except Exception:
        await context.abort(grpc.StatusCode.INTERNAL, f"error {secrets.token_hex(8)}")


async def start() -> int:
    """Serve on a free port."""
    return await grpc_aio_bare.start(behaviour=charge)


if __name__ == "__main__":
    serve(start)
