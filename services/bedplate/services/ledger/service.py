"""Builds the ledger."""

from pathlib import Path

from bedplate import clock
from bedplate.clients.rates import AsyncRatesClient
from bedplate.ledger.v1 import ledger_pb2
from bedplate.server.service import Context, Service, ServiceType
from bedplate.services.ledger.handlers import LedgerHandlers
from bedplate.services.ledger.rates import RatesService


def build(context: Context) -> Service:
    """The service, with what the process offers."""
    rates = RatesService(lambda: AsyncRatesClient(context.channels.channel("rates")))
    return Service(
        name="ledger",
        descriptor=ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
        handlers=LedgerHandlers(context.database, context.page_tokens, rates, clock.now_us),
    )


SERVICE = ServiceType(name="ledger", build=build, schema=Path(__file__).parent / "schema")
