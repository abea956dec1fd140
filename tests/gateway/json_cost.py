"""What the JSON codec costs beside json_format: `python -m tests.gateway.json_cost` prints a table."""

import statistics
from collections.abc import Callable
from time import thread_time_ns
from typing import Any

import orjson
from google.protobuf import json_format, timestamp_pb2
from google.protobuf.message_factory import GetMessageClass

from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encode_message
from bedplate.ledger.v1 import ledger_pb2
from tests.protos import add_file, field

assert timestamp_pb2, "the pool has its file"
FILE = add_file(
    'name: "tests/payment/v1/payment.proto" package: "tests.payment.v1"\n'
    'dependency: "google/protobuf/timestamp.proto" dependency: "bedplate/v1/policy.proto"\n'
    'enum_type { name: "State" value { name: "STATE_UNSPECIFIED" number: 0 } '
    'value { name: "STATE_CAPTURED" number: 3 } }\n'
    'message_type { name: "Card"\n'
    + field("brand", 1, "string")
    + field("last_four", 2, "string")
    + field("expiry_month", 3, "int32")
    + field("expiry_year", 4, "int32")
    + "}\n"
    'message_type { name: "Line"\n'
    + field("product_id", 1, "string")
    + field("count", 2, "int32")
    + field("price_minor", 3, "int64")
    + "}\n"
    'message_type { name: "Payment"\n'
    + field("payment_id", 1, "string")
    + field("merchant_id", 2, "string")
    + field("customer_id", 3, "string")
    + field("amount_minor", 4, "int64")
    + field("fee_minor", 5, "int64")
    + field("currency_code", 6, "string")
    + 'field { name: "state" number: 7 label: LABEL_OPTIONAL '
    'type: TYPE_ENUM type_name: ".tests.payment.v1.State" }\n'
    + field("create_time", 8, ".google.protobuf.Timestamp")
    + field("update_time", 9, ".google.protobuf.Timestamp")
    + field("description", 10, "string")
    + field("captured", 11, "bool")
    + field("risk_score", 12, "double")
    + field("card", 13, ".tests.payment.v1.Card")
    + field("lines", 14, ".tests.payment.v1.Line", repeated=True)
    + field("tags", 15, "string", repeated=True)
    + field("signature", 16, "bytes")
    + "}\n"
)
Payment: Any = GetMessageClass(FILE.message_types_by_name["Payment"])


def payment() -> Any:
    """A payment of 16 fields and about 460 bytes."""
    return Payment(
        payment_id="pay_01JD8Z4Q6W9XK2M3N4P5R6S7T8",
        merchant_id="mer_01JD8Z4Q6W9XK2M3N4P5R6S7T9",
        customer_id="cus_01JD8Z4Q6W9XK2M3N4P5R6S7TA",
        amount_minor=1_234_567,
        fee_minor=3_211,
        currency_code="EUR",
        state=3,
        create_time={"seconds": 1_795_366_030, "nanos": 834_262_000},
        update_time={"seconds": 1_795_366_032, "nanos": 912_000_000},
        description="Order 2026-11-22/4711, three parts, to be delivered before the end of the month",
        captured=True,
        risk_score=0.0625,
        card={"brand": "visa", "last_four": "4242", "expiry_month": 4, "expiry_year": 2029},
        lines=[{"product_id": f"product-{n:06}", "count": n, "price_minor": n * 1999} for n in (1, 2, 3)],
        tags=["subscription", "europe", "first-order"],
        signature=bytes(range(64)),
    )


def batch() -> Any:
    """Three transactions of three entries, as the ledger takes them: 452 bytes."""
    entries = [
        {"account_id": "assets:bank:checking", "side": 1, "amount_minor": 1_234_567},
        {"account_id": "income:sales:domestic", "side": 2, "amount_minor": 1_200_000},
        {"account_id": "liabilities:vat:2026", "side": 2, "amount_minor": 34_567},
    ]
    transactions = [
        {
            "transaction_id": f"t-{n}",
            "description": "invoice 12 of a customer somewhere",
            "effective_time": {"seconds": 1_700_000_000, "nanos": 5_000_000},
            "entries": entries,
        }
        for n in range(3)
    ]
    return ledger_pb2.PostTransactionsRequest(ledger_id="main", mode=1, transactions=transactions)


def cost_us(run: Callable[[], object], *, calls: int = 1000, rounds: int = 7) -> float:
    """Thread CPU time of one call, microseconds: the median of some rounds."""
    taken = []
    for _ in range(rounds):
        begin = thread_time_ns()
        for _ in range(calls):
            run()
        taken.append((thread_time_ns() - begin) / calls / 1000)
    return statistics.median(taken)


def costs(message: Any, *, calls: int = 1000) -> dict[str, float]:
    """Cost by what is done, microseconds."""
    kind = type(message)
    text = encode_message(message)
    decode = decoder(kind)
    return {
        "encode": cost_us(lambda: encode_message(message), calls=calls),
        "encode, json_format": cost_us(lambda: json_format.MessageToJson(message), calls=calls // 4),
        "decode": cost_us(lambda: decode(text), calls=calls),
        "decode, json_format": cost_us(lambda: json_format.Parse(text, kind()), calls=calls // 4),
        "parse alone, orjson": cost_us(lambda: orjson.loads(text), calls=calls),
    }


if __name__ == "__main__":
    for made in (payment(), batch()):
        print(f"{type(made).__name__}: {made.ByteSize()} bytes, {len(encode_message(made))} as JSON")
        for name, us in costs(made).items():
            print(f"  {name:22} {us:7.1f} us")
