"""Handlers of bedplate.rates.v1."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from bedplate.cache import Answers
from bedplate.data import Database
from bedplate.data.page import PageTokens, fingerprint
from bedplate.errors import Kind, Violation
from bedplate.pipeline.call import Call
from bedplate.rates.v1 import rates_pb2 as pb
from bedplate.services.rates import domain, store
from bedplate.services.rates.domain import Leg, Offered, Published
from bedplate.services.rates.lookup import Asked, find_legs

PAGE_SIZE_DEFAULT = 100

_GET_RATE = "bedplate.rates.v1.RatesService/GetRate"


class RatesHandlers:
    """Answers the calls of RatesService; see its contract for what each one does and refuses."""

    def __init__(self, database: Database, page_tokens: PageTokens, cache: Answers) -> None:
        self._database = database
        self._cache = cache
        self._page_tokens = page_tokens

    async def ImportRates(self, request: pb.ImportRatesRequest, call: Call) -> pb.ImportRatesResponse:
        """Add rates; all or none of a call."""
        source = request.source
        offered = [Offered(rate.base, rate.quote, rate.date, rate.value) for rate in request.rates]
        rates = domain.check_offered(offered)

        def work(connection: sa.Connection) -> int:
            base = store.base_of(connection, call.tenant, source)
            if base is None:
                store.add_source(connection, call.tenant, source, base=offered[0].base)
                # Another import may have been first, with another base.
                base = store.base_of(connection, call.tenant, source)
                assert base is not None, f"source {source} is gone"
            domain.check_base(base, offered)
            created_count = store.add_rates(connection, call.tenant, source, rates)
            if created_count < len(rates):
                _refuse_changed(rates, store.differing(connection, call.tenant, source, rates))
            return created_count

        try:
            created_count = await self._database.transact(work)
        finally:
            # Also when nobody knows whether it was committed.
            await self._cache.invalidate(_GET_RATE, tenant=call.tenant)
        return pb.ImportRatesResponse(created_count=created_count, unchanged_count=len(rates) - created_count)

    async def GetRate(self, request: pb.GetRateRequest, call: Call) -> pb.GetRateResponse:
        """Read the rate of a pair."""
        asked, base, quote, day = await self._find(request, call)

        rate = domain.pair_rate(base, quote, day=day)

        return pb.GetRateResponse(rate=_pair_message(asked, rate), source=asked.source)

    async def Convert(self, request: pb.ConvertRequest, call: Call) -> pb.ConvertResponse:
        """Convert an amount."""
        amount = domain.parse_amount(request.amount)
        asked, base, quote, day = await self._find(request, call)

        rate = domain.pair_rate(base, quote, day=day)

        return pb.ConvertResponse(
            amount=domain.convert(amount, base, quote),
            rate=_pair_message(asked, rate),
            source=asked.source,
        )

    async def ListRates(self, request: pb.ListRatesRequest, call: Call) -> pb.ListRatesResponse:
        """List published rates."""
        source = request.source or domain.DEFAULT_SOURCE
        first = domain.parse_day(request.from_date, "from_date") if request.from_date else None
        last = domain.parse_day(request.to_date, "to_date") if request.to_date else None
        domain.check_range(first, last)
        principal = call.principal.id
        query = fingerprint(request)
        cursor = self._page_tokens.decode(
            request.page_token, query=query, tenant=call.tenant, principal=principal
        )
        size = request.page_size or PAGE_SIZE_DEFAULT

        def work(connection: sa.Connection) -> tuple[str, list[Published]]:
            base = store.base_of(connection, call.tenant, source)
            if base is None:
                return "", []
            return base, store.list_rates(
                connection,
                call.tenant,
                source,
                quote=request.quote,
                first=first,
                last=last,
                after=_after(cursor),
                limit=size + 1,
            )

        base, rates = await self._database.read(work)
        token = ""
        if len(rates) > size:
            end = rates[size - 1]
            token = self._page_tokens.encode(
                (end.day.isoformat(), end.quote), query=query, tenant=call.tenant, principal=principal
            )
        return pb.ListRatesResponse(
            rates=[_message(base, rate.quote, rate.day, rate.value) for rate in rates[:size]],
            next_page_token=token,
        )

    async def _find(
        self, request: pb.GetRateRequest | pb.ConvertRequest, call: Call
    ) -> tuple[Asked, Leg, Leg, date]:
        asked = Asked(
            source=request.source or domain.DEFAULT_SOURCE,
            base=request.base,
            quote=request.quote,
            day=domain.parse_day(request.date, "date") if request.date else None,
            last_known=request.last_known,
        )
        base, quote, day = await self._database.read(
            lambda connection: find_legs(connection, call.tenant, asked)
        )
        return asked, base, quote, day


def _refuse_changed(rates: Sequence[Published], known: Sequence[tuple[int, str]]) -> None:
    violations = [
        Violation(
            f"rates[{index}].value",
            f"{rates[index].quote} of {rates[index].day} is known as {value}; "
            "import another value under another source.",
        )
        for index, value in known
        if not domain.is_same_rate(rates[index].value, value)
    ]
    if violations:
        raise domain.refuse_fields(Kind.EXISTS, "RATE_EXISTS", violations)


def _after(cursor: tuple[object, ...]) -> tuple[date, str] | None:
    if not cursor:
        return None
    day, quote = cursor
    return date.fromisoformat(str(day)), str(quote)


def _pair_message(asked: Asked, rate: domain.PairRate) -> pb.Rate:
    return _message(asked.base, asked.quote, rate.day, rate.value)


def _message(base: str, quote: str, day: date, value: str) -> pb.Rate:
    return pb.Rate(base=base, quote=quote, date=day.isoformat(), value=value)
