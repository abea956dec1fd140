"""Calls services by their contracts: deadlines, retries, typed errors, ids.

from bedplate.clients.ledger import LedgerClient

with LedgerClient("127.0.0.1:50051", key="...") as ledger:
    balance = ledger.get_balance(ledger_id="main", account_id="assets:cash").balance
"""

from bedplate.client.base import AsyncClient, Client
from bedplate.client.caller import AsyncStream
from bedplate.client.channel import Channel, connect, wrap
from bedplate.client.errors import CallError
from bedplate.client.ids import filled
from bedplate.client.pages import AsyncPages, Pages
from bedplate.client.stream import Stream
from bedplate.client.tls import Tls

__all__ = [
    "AsyncClient",
    "AsyncPages",
    "AsyncStream",
    "CallError",
    "Channel",
    "Client",
    "Pages",
    "Stream",
    "Tls",
    "connect",
    "filled",
    "wrap",
]
