"""What a ledger should do, in the plainest words: lists, dictionaries and whole sums each time.

It shares no code with the ledger. Balances are never kept: they are added up
from all entries whenever they are asked for.
"""

from dataclasses import dataclass, field

LARGEST = 9223372036854775807


@dataclass
class ReferenceLedger:
    """Accounts as {id: (currency, limit)}; limit is "debits", "credits" (must not exceed) or ""."""

    accounts: dict[str, tuple[str, str]]
    posted: list[tuple[str, list[tuple[str, str, int]]]] = field(default_factory=list)

    def sums(self, account_id: str) -> tuple[int, int]:
        """Debits and credits of an account."""
        lines = [line for _, lines in self.posted for line in lines if line[0] == account_id]
        return (
            sum(amount for _, side, amount in lines if side == "debit"),
            sum(amount for _, side, amount in lines if side == "credit"),
        )

    def post(self, transaction_id: str, lines: list[tuple[str, str, int]]) -> str:
        """Post lines of (account, side, amount): "posted", "replayed", or the reason of the refusal."""
        for known_id, known_lines in self.posted:
            if known_id == transaction_id:
                return "replayed" if known_lines == lines else "TRANSACTION_EXISTS"
        reason = self.refusal(lines)
        if not reason:
            self.posted.append((transaction_id, lines))
        return reason or "posted"

    def refusal(self, lines: list[tuple[str, str, int]]) -> str:
        """Why lines cannot be posted; empty when they can."""
        if len({account for account, _, _ in lines}) < len({(account, side) for account, side, _ in lines}):
            return "ACCOUNT_ON_BOTH_SIDES"
        if any(account not in self.accounts for account, _, _ in lines):
            return "ACCOUNT_NOT_FOUND"
        for currency in {self.accounts[account][0] for account, _, _ in lines}:
            own = [line for line in lines if self.accounts[line[0]][0] == currency]
            if sum(amount if side == "debit" else -amount for _, side, amount in own):
                return "UNBALANCED_TRANSACTION"
        after = ReferenceLedger(self.accounts, [*self.posted, ("", lines)])
        touched = {account for account, _, _ in lines}
        if any(total > LARGEST for account in touched for total in after.sums(account)):
            return "BALANCE_OVERFLOW"
        for account in touched:
            debits, credits = after.sums(account)
            limit = self.accounts[account][1]
            if (limit == "debits" and debits > credits) or (limit == "credits" and credits > debits):
                return "LIMIT_EXCEEDED"
        return ""
