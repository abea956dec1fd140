"""grpc.aio and nothing else, with core told to work as bedplate tells it."""

from bedplate.transport.tuning import tune

tune()  # before grpc is imported

# ruff: noqa: E402
from tests.bench.servers.grpc_aio_bare import start
from tests.bench.servers.process import serve

if __name__ == "__main__":
    serve(start)
