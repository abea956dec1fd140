"""grpc.aio and nothing else: typed messages in and out, no promises."""

from typing import Any

import grpc

from tests.bench import contract
from tests.bench.servers.process import serve

ALIVE: list[grpc.aio.Server] = []  # a server that nobody holds is stopped


async def charge(request: Any, context: grpc.aio.ServicerContext) -> Any:
    """Answer the call."""
    return contract.charge(request)


def handlers(behaviour: Any = charge) -> grpc.GenericRpcHandler:
    """What generated code makes of the contract."""
    return grpc.method_handlers_generic_handler(
        "bench.v1.BenchService",
        {
            "Charge": grpc.unary_unary_rpc_method_handler(
                behaviour,
                request_deserializer=contract.ChargeRequest.FromString,
                response_serializer=contract.ChargeResponse.SerializeToString,
            )
        },
    )


async def start(interceptors: tuple[Any, ...] = (), behaviour: Any = charge) -> int:
    """Serve on a free port."""
    server = grpc.aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handlers(behaviour),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ALIVE.append(server)
    return port


if __name__ == "__main__":
    serve(start)
