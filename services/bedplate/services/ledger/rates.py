"""What the ledger asks of bedplate.rates.v1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bedplate.client.errors import CallError
from bedplate.clients.rates import AsyncRatesClient
from bedplate.contract import scope
from bedplate.errors import Kind, Refusal, Violation
from bedplate.rates.v1 import rates_pb2 as pb

# A call to another service is given up a few milliseconds before our own
# deadline, so that there is time to answer: one that ended with less than this
# left ran into our deadline, not into its own.
DEADLINE_NEAR_S = 0.05

_NO_RATE = {"CURRENCY_UNKNOWN", "RATE_NOT_FOUND"}


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in another currency.

    Attributes:
        amount: A decimal number of whole units.
        rate: Whole units of the other currency for one of this, a decimal number.
        rate_date: The day whose rate was taken, `YYYY-MM-DD`.
    """

    amount: str
    rate: str
    rate_date: str


class Rates(Protocol):
    """Where amounts are converted."""

    async def convert(self, amount: str, *, base: str, quote: str, date: str, last_known: bool) -> Converted:
        """Convert an amount, a decimal number of whole units of `base`, to `quote`.

        Args:
            amount: At most 28 digits.
            base: The amount's currency.
            quote: The other currency.
            date: The day of the rate, `YYYY-MM-DD`; empty: the last one known.
            last_known: Whether the last rate before a day without one will do.

        Raises:
            Refusal: SCOPE_MISSING, RATES_UNAVAILABLE, RATE_NOT_AVAILABLE, or
                DEADLINE_EXCEEDED when it was the call's own deadline.
        """
        ...


class RatesService:
    """Asks the rates service. Deadline, retries, trace and credential are the client's affair."""

    def __init__(self, open_client: Callable[[], AsyncRatesClient]) -> None:
        # Opened at the first use: where the rates service answers is known only
        # when all services of the process are built.
        self._open_client = open_client
        self._client: AsyncRatesClient | None = None

    async def convert(self, amount: str, *, base: str, quote: str, date: str, last_known: bool) -> Converted:
        """See `Rates.convert`."""
        request = pb.ConvertRequest(base=base, quote=quote, amount=amount, date=date, last_known=last_known)
        if self._client is None:
            self._client = self._open_client()
        try:
            response: pb.ConvertResponse = await self._client.convert(request)
        except CallError as error:
            refusal = _refusal(error, request)
            if refusal is None:
                raise
            raise refusal from error
        return Converted(response.amount, response.rate.value, response.rate.date)


def _refusal(error: CallError, request: pb.ConvertRequest) -> Refusal | None:
    """What a failed call to the rates service means to our caller; None: a fault of ours."""
    if error.code == "NOT_FOUND" and error.reason in _NO_RATE:
        return _no_rate(error, request)
    if error.code == "PERMISSION_DENIED" and error.reason == "SCOPE_MISSING":
        scopes = error.facts.get("scopes", "rates.read")
        sentence = (
            f"Converting a balance needs a key with the scope {scopes}; use one, or leave convert_to out."
        )
        return Refusal(Kind.FORBIDDEN, "SCOPE_MISSING", sentence, scopes=scopes)
    if error.code == "DEADLINE_EXCEEDED" and (scope.remaining_s() or 0) < DEADLINE_NEAR_S:
        return Refusal(Kind.LATE, "DEADLINE_EXCEEDED", "The call did not finish before its deadline.")
    if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
        return Refusal(
            Kind.UNAVAILABLE,
            "RATES_UNAVAILABLE",
            "The rates service does not answer; call again later, or without convert_to.",
            retry_after_s=error.retry_after_s,
        )
    return None


def _no_rate(error: CallError, request: pb.ConvertRequest) -> Refusal:
    sentence = f"There is no rate of {request.base} in {request.quote}"
    if error.reason == "CURRENCY_UNKNOWN" or not request.date:
        sentence += " on any day; check the currency code, or import its rates first."
    elif request.last_known:
        sentence += f" on {request.date} or before; ask for a later day."
    else:
        sentence += f" on {request.date}; ask for another day, or set last_known."
    field = "convert_to.currency.code" if error.reason == "CURRENCY_UNKNOWN" else "convert_to.date"
    return Refusal(
        Kind.STATE,
        "RATE_NOT_AVAILABLE",
        sentence,
        violations=[Violation(field, sentence)],
        base=request.base,
        quote=request.quote,
        date=request.date,
    )
