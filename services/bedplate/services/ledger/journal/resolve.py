"""What a journal leaves out: amounts, prices and balances, and whether its assertions hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext

from bedplate.services.ledger.journal.model import (
    EXACT,
    Assertion,
    Journal,
    JournalError,
    Kind,
    Place,
    Posting,
    Transaction,
)

ZERO = Decimal(0)
HALF = Decimal("0.5")


def resolve(journal: Journal) -> None:
    """Fill in what every posting comes to; check that transactions balance and assertions hold.

    Amounts are worked out exactly. As hledger does, postings are gone through
    by date and, on one day, in the order in which they are written; and a
    transaction balances when what is left of its costs rounds to nothing at the
    digits with which the commodity is written.

    Raises:
        JournalError: A transaction does not balance, or an assertion does not hold.
    """
    with localcontext(EXACT):
        digits = _digits(journal)
        steps: list[_Step] = []
        asserted = False
        for transaction in journal.transactions:
            postings = transaction.postings
            asserted = asserted or any(posting.assertion for posting in postings)
            if any(posting.is_assigned for posting in postings):
                # Its amounts depend on what came before it.
                steps.append(_Step(transaction.date, transaction, postings, assigned=True))
                continue
            _balance(transaction, digits)
            steps += [_Step(each.own_date or transaction.date, transaction, [each]) for each in postings]
        if asserted:
            _Accounts().go_through(steps, digits)


@dataclass(frozen=True, slots=True)
class _Step:
    """Postings that are gone through at once."""

    date: date
    transaction: Transaction
    postings: Sequence[Posting]
    assigned: bool = False


@dataclass(slots=True)
class _Accounts:
    """What each account holds so far, by commodity."""

    held: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    def go_through(self, steps: list[_Step], digits: dict[str, int]) -> None:
        """Add posting after posting and look at every assertion."""
        for step in sorted(steps, key=lambda step: step.date):
            if not step.assigned:
                self._add(step.transaction, step.postings[0])
                continue
            for posting in step.postings:
                if posting.is_assigned:
                    self._assign(step.transaction, posting)
                elif posting.amount is not None:
                    posting.amounts = {posting.amount.commodity: posting.amount.quantity}
                    self._add(step.transaction, posting)
            left_out = [each for each in step.postings if each.amount is None and not each.is_assigned]
            _balance(step.transaction, digits)
            for posting in left_out:
                self._add(step.transaction, posting)

    def _add(self, transaction: Transaction, posting: Posting) -> None:
        held = self.held.setdefault(posting.account, {})
        for commodity, quantity in posting.amounts.items():
            held[commodity] = held.get(commodity, ZERO) + quantity
        if posting.assertion is not None:
            self._check(posting, posting.assertion, Place(transaction.place.file, posting.line))

    def _assign(self, transaction: Transaction, posting: Posting) -> None:
        """Give a posting the amount that makes its assertion hold."""
        assertion = posting.assertion
        assert assertion is not None, "only a posting with an assertion is assigned"
        place = Place(transaction.place.file, posting.line)
        if posting.own_date is not None:
            raise JournalError(place, "An amount that a balance gives cannot have a date of its own.")
        held = self._holding(posting.account, inclusive=assertion.inclusive)
        wanted = assertion.amount
        amounts = {wanted.commodity: wanted.quantity - held.get(wanted.commodity, ZERO)}
        if assertion.total:
            amounts |= {each: -quantity for each, quantity in held.items() if each != wanted.commodity}
        posting.amounts = {commodity: quantity for commodity, quantity in amounts.items() if quantity}
        self._add(transaction, posting)

    def _holding(self, account: str, *, inclusive: bool) -> dict[str, Decimal]:
        if not inclusive:
            return self.held.get(account, {})
        below = f"{account}:"
        return _sum(
            item
            for name, held in self.held.items()
            if name == account or name.startswith(below)
            for item in held.items()
        )

    def _check(self, posting: Posting, assertion: Assertion, place: Place) -> None:
        held = self._holding(posting.account, inclusive=assertion.inclusive)
        wanted = assertion.amount
        found = held.get(wanted.commodity, ZERO)
        if found != wanted.quantity:
            raise JournalError(
                place,
                f"{posting.account} should hold {_text(wanted.commodity, wanted.quantity)} here and holds "
                f"{_text(wanted.commodity, found)}.",
            )
        others = [_text(*item) for item in held.items() if item[1] and item[0] != wanted.commodity]
        if assertion.total and others:
            raise JournalError(
                place,
                f"{posting.account} should hold nothing but {_text(wanted.commodity, wanted.quantity)} here "
                f"and holds also {', '.join(others)}.",
            )


def _balance(transaction: Transaction, digits: dict[str, int]) -> None:
    """Fill in the amount that is left out, or check that the transaction balances."""
    for posting in transaction.postings:
        if posting.amount is not None:
            posting.amounts = {posting.amount.commodity: posting.amount.quantity}
    for kind in (Kind.REAL, Kind.BALANCED):
        group = [posting for posting in transaction.postings if posting.kind is kind]
        if group:
            _balance_group(transaction, group, digits)


def _balance_group(transaction: Transaction, group: list[Posting], digits: dict[str, int]) -> None:
    left_out = [posting for posting in group if posting.amount is None and not posting.is_assigned]
    costs = _sum(item for posting in group for item in _costs(posting))
    if len(left_out) > 1:
        place = Place(transaction.place.file, left_out[1].line)
        raise JournalError(place, "A second amount is left out; one may be.")
    if left_out:
        _check_clear(transaction, left_out[0])
        left_out[0].amounts = {each: -quantity for each, quantity in costs.items() if quantity}
        return
    left = {commodity: quantity for commodity, quantity in costs.items() if quantity}
    if len(left) == 2 and not any(posting.price for posting in group):
        one, other = left.values()
        if (one > 0) is not (other > 0):
            return  # one commodity was changed into the other, at the price that this is
    seen = _price_digits(group) | digits
    left = {
        each: quantity
        for each, quantity in left.items()
        # Half to even is nothing; what is written nowhere is held to be exact.
        if each not in seen or abs(quantity).scaleb(seen[each]) > HALF
    }
    if left:
        rest = ", ".join(_text(*item) for item in left.items())
        raise JournalError(transaction.place, f"The transaction does not balance: {rest} is left over.")


def _check_clear(transaction: Transaction, left_out: Posting) -> None:
    """Refuse what hledger takes in a way that nobody would expect: it passes prices over here."""
    postings = transaction.postings
    priced = any(posting.price and not posting.is_assigned for posting in postings)
    if priced and any(posting.is_assigned for posting in postings):
        place = Place(transaction.place.file, left_out.line)
        raise JournalError(
            place,
            "The amount cannot be left out beside a price and an amount that a balance gives; write it.",
        )


def _price_digits(group: list[Posting]) -> dict[str, int]:
    """Digits after the mark of prices, for commodities that have no other amounts."""
    most: dict[str, int] = {}
    for posting in group:
        if posting.price is not None:
            amount = posting.price.amount
            most[amount.commodity] = max(amount.decimals, most.get(amount.commodity, 0))
    return most


def _costs(posting: Posting) -> Iterable[tuple[str, Decimal]]:
    price = posting.price
    if price is not None:
        return [(price.amount.commodity, price.cost_of(quantity)) for quantity in posting.amounts.values()]
    return posting.amounts.items()


def _digits(journal: Journal) -> dict[str, int]:
    """Digits after the mark with which each commodity is written: as declared, or the most in a posting."""
    most: dict[str, int] = {}
    for transaction in journal.transactions:
        for posting in transaction.postings:
            amount = posting.amount
            if amount is not None and amount.decimals >= most.get(amount.commodity, 0):
                most[amount.commodity] = amount.decimals
    return {**most, **journal.decimals}


def _sum(items: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for commodity, quantity in items:
        sums[commodity] = sums.get(commodity, ZERO) + quantity
    return sums


def _text(commodity: str, quantity: Decimal) -> str:
    return f"{quantity:f} {commodity}".rstrip()
