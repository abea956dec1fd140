"""What a ledger should do, in the plainest words: lists, dictionaries and whole sums each time.

It shares no code with the ledger. Balances are never kept: they are added up
from all entries and holds whenever they are asked for.
"""

from dataclasses import dataclass, field

LARGEST = 9223372036854775807


@dataclass
class ReferenceHold:
    """An amount set aside; state is what was done with it, and "" until then."""

    debit: str
    credit: str
    amount: int
    expires: int | None
    state: str = ""

    def state_at(self, now: int) -> str:
        """What it is at a time."""
        expired = self.expires is not None and self.expires <= now
        return self.state or ("expired" if expired else "pending")


@dataclass
class ReferenceLedger:
    """Accounts as {id: (currency, limit)}; limit is "debits", "credits" (must not exceed) or ""."""

    accounts: dict[str, tuple[str, str]]
    posted: list[tuple[str, list[tuple[str, str, int]]]] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    holds: dict[str, ReferenceHold] = field(default_factory=dict)
    refused: dict[str, tuple[object, str]] = field(default_factory=dict)
    now: int = 0

    def sums(self, account_id: str) -> tuple[int, int]:
        """Debits and credits of an account."""
        lines = [line for _, lines in self.posted for line in lines if line[0] == account_id]
        return (
            sum(amount for _, side, amount in lines if side == "debit"),
            sum(amount for _, side, amount in lines if side == "credit"),
        )

    def pending(self, account_id: str) -> tuple[int, int]:
        """What pending holds would debit and credit an account."""
        holds = [hold for hold in self.holds.values() if hold.state_at(self.now) == "pending"]
        return (
            sum(hold.amount for hold in holds if hold.debit == account_id),
            sum(hold.amount for hold in holds if hold.credit == account_id),
        )

    def post(self, transaction_id: str, lines: list[tuple[str, str, int]], link: str = "") -> str:
        """Post lines of (account, side, amount): "posted", "replayed", or the reason of the refusal."""
        for known_id, known_lines in self.posted:
            if known_id == transaction_id:
                same = known_lines == lines and self.links.get(known_id, "") == link
                return "replayed" if same else "TRANSACTION_EXISTS"
        reason = self.remembered(transaction_id, (lines, link)) or self.refusal(lines)
        if not reason:
            self.posted.append((transaction_id, lines))
            self.links[transaction_id] = link
        return self.remember(transaction_id, (lines, link), reason) or "posted"

    def remembered(self, attempt_id: str, content: object) -> str:
        """Why an attempt is refused again; empty when it was not refused for good."""
        if attempt_id not in self.refused:
            return ""
        known, reason = self.refused[attempt_id]
        return reason if known == content else "TRANSACTION_EXISTS"

    def remember(self, attempt_id: str, content: object, reason: str) -> str:
        """Note a refusal if it is for good; the same reason."""
        if reason in ("LIMIT_EXCEEDED", "ACCOUNT_CLOSED", "HOLD_RESOLVED"):
            self.refused.setdefault(attempt_id, (content, reason))
        return reason

    def reverse(self, transaction_id: str, reversal_id: str) -> str:
        """Post a mirror."""
        known = dict(self.posted)
        if transaction_id not in known:
            return "TRANSACTION_NOT_FOUND"
        other = {"debit": "credit", "credit": "debit"}
        mirrored = [(account, other[side], amount) for account, side, amount in known[transaction_id]]
        link = f"reverses {transaction_id}"
        if reversal_id not in known and link in self.links.values():
            return self.remembered(reversal_id, (mirrored, link)) or "ALREADY_REVERSED"
        return self.post(reversal_id, mirrored, link)

    def close(self, account_id: str) -> str:
        """Close an account."""
        if account_id not in self.closed and any(self.pending(account_id)):
            return "ACCOUNT_HAS_HOLDS"
        self.closed.add(account_id)
        return "closed"

    def hold(self, hold_id: str, debit: str, credit: str, amount: int, expires: int | None) -> str:
        """Set an amount aside."""
        if hold_id in self.holds:
            known = self.holds[hold_id]
            same = (known.debit, known.credit, known.amount, known.expires) == (
                debit,
                credit,
                amount,
                expires,
            )
            return "replayed" if same else "HOLD_EXISTS"
        content = (debit, credit, amount, expires)
        if known_reason := self.remembered(f"hold {hold_id}", content):
            return known_reason.replace("TRANSACTION", "HOLD")
        if expires is not None and expires <= self.now:
            return "INVALID_REQUEST"
        reason = self.refusal([(debit, "debit", amount), (credit, "credit", amount)], hold=True)
        if not reason:
            self.holds[hold_id] = ReferenceHold(debit, credit, amount, expires)
        return self.remember(f"hold {hold_id}", content, reason) or "held"

    def capture(self, hold_id: str, transaction_id: str, amount: int | None) -> str:
        """Post a hold's amount or less."""
        if hold_id not in self.holds:
            return "HOLD_NOT_FOUND"
        hold = self.holds[hold_id]
        taken = hold.amount if amount is None else amount
        lines = [(hold.debit, "debit", taken), (hold.credit, "credit", taken)]
        content = (lines, f"captures {hold_id}")
        if transaction_id not in dict(self.posted):
            if known_reason := self.remembered(transaction_id, content):
                return known_reason
            if hold.state_at(self.now) != "pending":
                return self.remember(transaction_id, content, "HOLD_RESOLVED")
            if taken > hold.amount:
                return "CAPTURE_EXCEEDS_HOLD"
            hold.state = "captured"
        return self.post(transaction_id, lines, f"captures {hold_id}")

    def release(self, hold_id: str) -> str:
        """Give back what is set aside."""
        if hold_id not in self.holds:
            return "HOLD_NOT_FOUND"
        if self.holds[hold_id].state_at(self.now) not in ("pending", "released"):
            return "HOLD_RESOLVED"
        self.holds[hold_id].state = "released"
        return "released"

    def refusal(self, lines: list[tuple[str, str, int]], *, hold: bool = False) -> str:
        """Why lines cannot be posted; empty when they can."""
        if len({account for account, _, _ in lines}) < len({(account, side) for account, side, _ in lines}):
            return "ACCOUNT_ON_BOTH_SIDES"
        if any(account not in self.accounts for account, _, _ in lines):
            return "ACCOUNT_NOT_FOUND"
        for currency in {self.accounts[account][0] for account, _, _ in lines}:
            own = [line for line in lines if self.accounts[line[0]][0] == currency]
            if sum(amount if side == "debit" else -amount for _, side, amount in own):
                return "UNBALANCED_TRANSACTION"
        touched = {account for account, _, _ in lines}
        if touched & self.closed:
            return "ACCOUNT_CLOSED"
        for told in ("BALANCE_OVERFLOW", "LIMIT_EXCEEDED"):
            for account in touched:
                side = next(each for name, each, _ in lines if name == account)
                more = sum(amount for name, _, amount in lines if name == account)
                if told == self._broken(account, side, more, hold=hold):
                    return told
        return ""

    def _broken(self, account: str, side: str, more: int, *, hold: bool) -> str:
        """What an amount more on a side of an account would break."""
        posted, pending = list(self.sums(account)), list(self.pending(account))
        (pending if hold else posted)[0 if side == "debit" else 1] += more
        debits, credits = (posted[0] + pending[0], posted[1] + pending[1])
        if max(debits, credits) > LARGEST:
            return "BALANCE_OVERFLOW"
        limit = self.accounts[account][1] if side in self.accounts[account][1] else ""
        if (limit == "debits" and debits > posted[1]) or (limit == "credits" and credits > posted[0]):
            return "LIMIT_EXCEEDED"
        return ""
