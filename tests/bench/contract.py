"""The benchmark's contract, compiled when the module is imported, and its message."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, field_behavior_pb2  # noqa: F401 - register what the contract imports
from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2
from google.protobuf.message_factory import GetMessageClass

from bedplate.v1 import policy_pb2  # noqa: F401
from buf.validate import validate_pb2  # noqa: F401
from tests.bench.servers.process import PATH as PATH  # which servers without protobuf know too

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

METHOD = "/bench.v1.BenchService/Charge"
SCOPE = "payments.write"


# Where buf finds the contract and what it imports.
WORKSPACE = (
    '{"version":"v2","modules":[{"path":"tests/bench/protos"},'
    '{"path":"protos","excludes":["protos/third_party"]},{"path":"protos/third_party"}]}'
)


def descriptors() -> bytes:
    """The contract and what it imports as a descriptor set: buf is the compiler that the environment has."""
    buf = Path(sys.executable).parent / "buf"
    return subprocess.run(
        [buf, "build", "--config", WORKSPACE, "-o", "-#format=binpb"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout


def _file() -> Any:
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors())
    (file,) = (file for file in files.file if file.name == "bench/v1/bench.proto")
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


FILE = _file()
SERVICE = FILE.services_by_name["BenchService"]
ChargeRequest: Any = GetMessageClass(FILE.message_types_by_name["ChargeRequest"])
ChargeResponse: Any = GetMessageClass(FILE.message_types_by_name["ChargeResponse"])


def request() -> Any:
    """A request of about 460 bytes."""
    message = ChargeRequest()
    payment = message.payment
    payment.payment_id = "pay_01JD3M5Z9T0QX7V4N2K8"
    payment.customer_id = "cus_01JD3M5Z9T0QX7V4N2K9"
    payment.merchant_id = "mer_01JD3M5Z9T0QX7V4N2KA"
    payment.amount_minor = 129_900
    payment.fee_minor = 3_767
    payment.currency = "EUR"
    payment.state = 1
    payment.description = "Three things that were put into one basket and paid for together, sent to the door"
    payment.email = "customer@example.com"
    payment.country = "DE"
    for number in range(3):
        payment.lines.add(
            sku=f"SKU-{number:04d}-2026", title=f"Thing number {number}", quantity=1, amount_minor=43_300
        )
    payment.metadata.update({"order": "2026-000123", "channel": "web-checkout", "campaign": "autumn-2026"})
    payment.create_time.CopyFrom(timestamp_pb2.Timestamp(seconds=1_790_000_000, nanos=123_000_000))
    payment.fingerprint = bytes(range(24))
    payment.risk_score = 0.125
    return message


def charge(message: Any) -> Any:
    """The service's logic, the same in every row: copy, and fill two fields in."""
    response = ChargeResponse(payment=message.payment)
    response.payment.state = 2
    response.payment.captured = True
    return response
