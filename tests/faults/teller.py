"""A service that calls the ledger, run as a process of its own: `python -m tests.faults.teller`.

Its one method posts a transaction of one minor unit, and answers when the ledger has.
"""

import sys
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from bedplate.clients.ledger import AsyncLedgerClient
from bedplate.ledger.v1 import ledger_pb2
from bedplate.server.app import App
from bedplate.server.lifecycle import run
from bedplate.server.service import Context, Service, ServiceType
from bedplate.settings import Settings
from bedplate.transport.tuning import tune
from tests.faults.books import ACCOUNTS, LEDGER
from tests.protos import add_file, field

FILE = add_file(
    'name: "tests/teller/v1/teller.proto" package: "tests.teller.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    f'message_type {{ name: "PayRequest" {field("transaction_id", 1, "string")} }}\n'
    'message_type { name: "PayResponse" }\n'
    'service { name: "TellerService" method { name: "Pay"\n'
    '  input_type: ".tests.teller.v1.PayRequest" output_type: ".tests.teller.v1.PayResponse"\n'
    '  options { [google.api.http] { post: "/v1/pay" body: "*" }\n'
    '    [bedplate.v1.policy] { auth { all_scopes: "ledger.write" } visibility: VISIBILITY_PUBLIC } } } }\n'
)
SERVICE = FILE.services_by_name["TellerService"]
METHOD = "tests.teller.v1.TellerService/Pay"
PayRequest: Any = GetMessageClass(FILE.message_types_by_name["PayRequest"])
PayResponse: Any = GetMessageClass(FILE.message_types_by_name["PayResponse"])


class Handlers:
    """Posts to the ledger."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ledger: AsyncLedgerClient | None = None

    async def Pay(self, request: Any, call: Any) -> Any:
        """Post one transaction."""
        if self._ledger is None:
            self._ledger = AsyncLedgerClient(self._context.channels.channel("ledger"))
        entries = [
            ledger_pb2.Entry(account_id=ACCOUNTS[0], side=ledger_pb2.SIDE_DEBIT, amount_minor=1),
            ledger_pb2.Entry(account_id=ACCOUNTS[1], side=ledger_pb2.SIDE_CREDIT, amount_minor=1),
        ]
        transaction = ledger_pb2.Transaction(transaction_id=request.transaction_id, entries=entries)
        await self._ledger.post_transactions(ledger_id=LEDGER, transactions=[transaction])
        return PayResponse()


def build(context: Context) -> Service:
    """The service."""
    return Service("teller", SERVICE, Handlers(context))


def main() -> int:
    """Run until SIGTERM."""
    tune()
    app = App(Settings.load(), [ServiceType("teller", build)])
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
