"""Makes a ledger again from what happened to it, and believes nothing of it unchecked."""

import dataclasses
import heapq
from dataclasses import dataclass, field

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.ledger.domain.account import Account, Balance, Currency, account_not_found
from bedplate.services.ledger.domain.batch import Head, judge
from bedplate.services.ledger.domain.failure import REMEMBERED, Failure
from bedplate.services.ledger.domain.hold import (
    Hold,
    HoldState,
    NewHold,
    check_capture,
    check_pending,
    give_back,
    hold_not_found,
)
from bedplate.services.ledger.domain.log import (
    AccountClosed,
    Counts,
    Event,
    Happening,
    HoldResolved,
    Opened,
    Place,
    Trailer,
    place,
)
from bedplate.services.ledger.domain.transaction import (
    NewTransaction,
    Transaction,
    already_reversed,
    mirror,
    transaction_not_found,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a ledger has been made.

    Attributes:
        counts: How many of each there are so far.
        account_id: The last account; empty before the first.
        place: Where what happened last stands in the order; None: nothing has yet.
        complete: Whether the trailer was there.
    """

    counts: Counts = field(default_factory=Counts)
    account_id: str = ""
    place: Place | None = None
    complete: bool = False


@dataclass(slots=True)
class Restoring:
    """What events are judged against, and what they have come to so far.

    Attributes:
        head: The ledger's end; its time is that of the last event that was no expiry.
        progress: How far it has been made.
        scales: The ledger's currencies that events name, and their scales.
        balances: The accounts that events name, as far as they exist.
        posted: The transactions that exist under an id that events name.
        reversals: Ids of reversals, by the id of the transaction that they reverse.
        holds: The holds that events name, as far as they exist.
        failed: Ids that stay refused: of a transaction, or of a hold.
        due: Pending holds by the time at which they expire, at least those that
            do before the last of the events: a heap.
    """

    head: Head
    progress: Progress
    scales: dict[str, int] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    posted: dict[str, Transaction] = field(default_factory=dict)
    reversals: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    failed: set[tuple[type, str]] = field(default_factory=set)
    due: list[tuple[int, str]] = field(default_factory=list)
    new_accounts: list[Account] = field(default_factory=list)
    new_currencies: list[Currency] = field(default_factory=list)
    new_transactions: list[Transaction] = field(default_factory=list)
    new_failures: list[Failure] = field(default_factory=list)
    new_holds: dict[str, None] = field(default_factory=dict)
    resolved: dict[str, None] = field(default_factory=dict)
    closed: list[AccountClosed] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)

    def take(self, event: Event, path: str) -> None:
        """Let an event happen.

        Args:
            event: It; the ledger itself is there already.
            path: Its field in the request.

        Raises:
            Refusal: It cannot have happened: it is out of order, or breaks what
                holds of every ledger.
        """
        if self.progress.complete:
            raise wrong(path, "Nothing comes after the trailer.")
        match event:
            case Opened():
                raise wrong(path, "A ledger is opened once, by the first record.")
            case Account():
                self._account(event, path)
            case Trailer():
                self._trailer(event, path)
            case _:
                self._happen(event, path)

    def _account(self, account: Account, path: str) -> None:
        if self.progress.place is not None:
            raise wrong(path, "Accounts come before everything that happened to them.")
        if account.account_id <= self.progress.account_id:
            raise wrong(f"{path}.account.account_id", "Accounts come in the order of their ids, each once.")
        currency = account.currency
        scale = self.scales.setdefault(currency.code, currency.scale)
        if scale != currency.scale:
            raise wrong(
                f"{path}.account.currency.scale", f"The ledger counts {currency.code} with scale {scale}."
            )
        self.new_currencies.append(currency)
        self.new_accounts.append(account)
        self.balances[account.account_id] = Balance(account, 0, 0)
        self._count(accounts=1)
        self.progress = dataclasses.replace(self.progress, account_id=account.account_id)

    def _happen(self, event: Happening, path: str) -> None:
        where = place(event)
        if self.progress.place is not None and where <= self.progress.place:
            raise wrong(path, "This happened before the record before it, or is that record again.")
        later = where[1] == 1 or (isinstance(event, Transaction) and bool(event.captures_id))
        if where[0] < self.head.time_us or (later and where[0] == self.head.time_us):
            raise wrong(path, "This must be later than what happened before it.")
        self._check_expired(where[0] - 1, path)
        match event:
            case Transaction():
                self._transaction(event, path)
            case Hold():
                self._hold(event, path)
            case HoldResolved():
                self._resolve(event, path)
            case AccountClosed():
                self._close(event, path)
            case Failure():
                self._failure(event, path)
        if where[1]:
            self.head = dataclasses.replace(self.head, time_us=where[0])
        self.progress = dataclasses.replace(self.progress, place=where)

    def _check_expired(self, time_us: int, path: str) -> None:
        """Whatever has expired by a time was told to have expired."""
        while self.due and self.due[0][0] <= time_us:
            hold_id = self.due[0][1]
            if hold_id not in self.holds or self.holds[hold_id].state is HoldState.PENDING:
                raise wrong(path, f"The hold {hold_id} has expired before this, and no record says so.")
            heapq.heappop(self.due)

    def _transaction(self, transaction: Transaction, path: str) -> None:
        if transaction.sequence != self.head.sequence + 1:
            raise wrong(f"{path}.sequence", f"The next place in the ledger is {self.head.sequence + 1}.")
        self._check_free(transaction.transaction_id, Transaction, f"{path}.transaction.transaction_id")
        if transaction.reverses_id and transaction.captures_id:
            raise wrong(path, "A transaction reverses another one, or captures a hold, or neither.")
        if transaction.reverses_id:
            self._reverse(transaction, path)
        if transaction.captures_id:
            self._capture(transaction, path)
        self._post(NewTransaction(transaction.transaction_id, transaction.entries), f"{path}.transaction")
        entries = tuple(
            dataclasses.replace(entry, currency_code=self._currency(entry.account_id))
            for entry in transaction.entries
        )
        transaction = dataclasses.replace(transaction, entries=entries)
        self.posted[transaction.transaction_id] = transaction
        self.new_transactions.append(transaction)
        self.head = dataclasses.replace(self.head, sequence=transaction.sequence)
        self._count(transactions=1)

    def _reverse(self, transaction: Transaction, path: str) -> None:
        reverses_id = transaction.reverses_id
        original = self.posted.get(reverses_id)
        if original is None:
            raise transaction_not_found(reverses_id)
        if (reversal_id := self.reversals.get(reverses_id)) is not None:
            raise already_reversed(reverses_id, reversal_id, f"{path}.reverses_id")
        mirrored = mirror(original, transaction.transaction_id).entries
        if transaction.entries != mirrored:
            raise wrong(f"{path}.transaction.entries", f"This is no exact mirror of {reverses_id}.")
        self.reversals[reverses_id] = transaction.transaction_id

    def _capture(self, transaction: Transaction, path: str) -> None:
        hold = self._require_hold(transaction.captures_id)
        amount_minor = transaction.entries[0].amount_minor
        check_capture(hold, amount_minor, f"{path}.transaction")
        asked = dataclasses.replace(hold.asked, amount_minor=amount_minor)
        if transaction.entries != asked.entries:
            raise wrong(
                f"{path}.transaction.entries",
                "A capture debits and credits what its hold does, with one amount.",
            )
        self._give_back(hold)
        self._settle(
            hold.resolve(
                HoldState.CAPTURED,
                transaction.create_time_us,
                captured_minor=amount_minor,
                capture_id=transaction.transaction_id,
            )
        )

    def _hold(self, hold: Hold, path: str) -> None:
        asked = hold.asked
        self._check_free(asked.hold_id, NewHold, f"{path}.hold.hold_id")
        if asked.expire_us is not None and asked.expire_us <= hold.create_time_us:
            raise wrong(f"{path}.hold.expire_time", "A hold expires after it was created.")
        self._post(NewTransaction(asked.hold_id, asked.entries), f"{path}.hold", hold=True)
        currency_code = self._currency(asked.debit_account_id)
        self.holds[asked.hold_id] = dataclasses.replace(hold, currency_code=currency_code)
        self.new_holds[asked.hold_id] = None
        if asked.expire_us is not None:
            heapq.heappush(self.due, (asked.expire_us, asked.hold_id))
        self._count(holds=1)

    def _resolve(self, event: HoldResolved, path: str) -> None:
        hold = self._require_hold(event.hold_id)
        check_pending(hold, f"{path}.hold_id")
        if event.state is HoldState.EXPIRED and event.time_us != hold.asked.expire_us:
            raise wrong(path, f"The hold {event.hold_id} does not expire at this time.")
        self._give_back(hold)
        self._settle(hold.resolve(event.state, event.time_us))

    def _close(self, event: AccountClosed, path: str) -> None:
        balance = self.balances.get(event.account_id)
        if balance is None:
            raise account_not_found(event.account_id, f"{path}.account_id")
        if balance.account.close_time_us is not None:
            raise wrong(f"{path}.account_id", "An account is closed once.")
        if balance.debits_pending_minor or balance.credits_pending_minor:
            raise wrong(f"{path}.account_id", "An account with a pending hold does not close.")
        account = dataclasses.replace(balance.account, close_time_us=event.time_us)
        self.balances[event.account_id] = dataclasses.replace(balance, account=account)
        self.closed.append(event)

    def _failure(self, failure: Failure, path: str) -> None:
        attempt = failure.attempt
        self._check_free(failure.failed_id, type(attempt), path)
        if failure.reason not in REMEMBERED:
            raise wrong(
                f"{path}.reason", f"Only these are refused for good: {', '.join(sorted(REMEMBERED))}."
            )
        for account_id in account_ids(failure):
            if account_id not in self.balances:
                raise account_not_found(account_id, path)
        self.failed.add((type(attempt), failure.failed_id))
        self.new_failures.append(failure)
        self._count(failures=1)

    def _trailer(self, trailer: Trailer, path: str) -> None:
        if trailer.counts != self.progress.counts:
            there = ", ".join(f"{n} {name}" for name, n in dataclasses.asdict(self.progress.counts).items())
            raise wrong(path, f"Before it there were {there}.")
        last_us = max(self.head.time_us, self.progress.place[0] if self.progress.place else 0)
        if trailer.time_us < last_us:
            raise wrong(f"{path}.time", "The ledger's time is that of its last record or later.")
        self._check_expired(trailer.time_us, path)
        self.head = dataclasses.replace(self.head, time_us=trailer.time_us)
        self.progress = dataclasses.replace(self.progress, complete=True)

    def _post(self, transaction: NewTransaction, path: str, *, hold: bool = False) -> None:
        for balance in judge(transaction, self.balances, path, hold=hold):
            self.balances[balance.account.account_id] = balance
            self.changed[balance.account.account_id] = None

    def _give_back(self, hold: Hold) -> None:
        give_back(hold, self.balances)
        self.changed |= {entry.account_id: None for entry in hold.asked.entries}

    def _settle(self, hold: Hold) -> None:
        self.holds[hold.asked.hold_id] = hold
        if hold.asked.hold_id not in self.new_holds:
            self.resolved[hold.asked.hold_id] = None

    def _require_hold(self, hold_id: str) -> Hold:
        if hold_id not in self.holds:
            raise hold_not_found(hold_id)
        return self.holds[hold_id]

    def _check_free(self, id_: str, kind: type, path: str) -> None:
        """One id is one transaction, or one hold, posted or refused."""
        taken = id_ in (self.holds if kind is NewHold else self.posted)
        if taken or (kind, id_) in self.failed:
            raise wrong(path, f"The id {id_} was used before.")

    def _currency(self, account_id: str) -> str:
        return self.balances[account_id].account.currency.code

    def _count(self, **more: int) -> None:
        counts = self.progress.counts
        changed = {name: getattr(counts, name) + count for name, count in more.items()}
        self.progress = dataclasses.replace(self.progress, counts=dataclasses.replace(counts, **changed))


def account_ids(event: Event) -> set[str]:
    """The accounts that an event names, and does not create."""
    match event:
        case Transaction():
            return {entry.account_id for entry in event.entries}
        case Hold():
            return {event.asked.debit_account_id, event.asked.credit_account_id}
        case AccountClosed():
            return {event.account_id}
        case Failure(attempt=NewHold() as asked):
            return {asked.debit_account_id, asked.credit_account_id}
        case Failure(attempt=Transaction() as attempt):
            return {entry.account_id for entry in attempt.entries}
        case _:
            return set()


def wrong(path: str, sentence: str) -> Refusal:
    """A record that no export has."""
    return Refusal(Kind.INVALID, "RECORD_INVALID", sentence, violations=[Violation(path, sentence)])
