"""Handlers of bedplate.ledger.v1; the contract says what each one does and refuses."""

from bedplate.services.ledger.handlers.accounts import AccountHandlers
from bedplate.services.ledger.handlers.balances import BalanceHandlers
from bedplate.services.ledger.handlers.entries import EntryHandlers
from bedplate.services.ledger.handlers.holds import HoldHandlers
from bedplate.services.ledger.handlers.log import LogHandlers
from bedplate.services.ledger.handlers.transactions import TransactionHandlers

__all__ = ["LedgerHandlers"]


class LedgerHandlers(
    AccountHandlers, TransactionHandlers, HoldHandlers, EntryHandlers, BalanceHandlers, LogHandlers
):
    """Answers the calls of LedgerService."""
