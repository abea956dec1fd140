"""A program with generated stubs and grpcio, and nothing of bedplate's client.

    python plain_client.py HOST:PORT

Takes one call a line, as JSON: `{"service", "method", "key", "request"}`.
Answers one line: `{"response"}`, or `{"status"}` with the google.rpc.Status in
hexadecimal digits.
"""

import json
import sys
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from bedplate.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from bedplate.rates.v1 import rates_pb2, rates_pb2_grpc

SERVICES = {
    "LedgerService": (ledger_pb2, ledger_pb2_grpc.LedgerServiceStub),
    "RatesService": (rates_pb2, rates_pb2_grpc.RatesServiceStub),
}


def answer(channel: grpc.Channel, call: dict[str, Any]) -> dict[str, Any]:
    """Make one call."""
    messages, stub = SERVICES[call["service"]]
    request = ParseDict(call["request"], getattr(messages, f"{call['method']}Request")())
    metadata = [("authorization", f"Bearer {call['key']}")] if call["key"] else []
    try:
        response = getattr(stub(channel), call["method"])(request, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        trailers: Any = dict(error.trailing_metadata())  # type: ignore[arg-type]
        return {"status": trailers["grpc-status-details-bin"].hex()}
    return {"response": MessageToDict(response, preserving_proto_field_name=True)}


def main() -> None:
    """Answer until the input ends."""
    with grpc.insecure_channel(sys.argv[1]) as channel:
        for line in sys.stdin:
            print(json.dumps(answer(channel, json.loads(line))), flush=True)
    ours = {name for name in sys.modules if name.startswith("bedplate.") and "_pb2" not in name}
    assert ours <= {
        "bedplate.ledger",
        "bedplate.ledger.v1",
        "bedplate.rates",
        "bedplate.rates.v1",
        "bedplate.v1",
    }


if __name__ == "__main__":
    main()
