"""Typed clients of bedplate.rates.v1. Written from its contract; never edited.

A call takes its request's fields by name, or the whole request. Left out
fields stay unset. A call that does not succeed raises a class of
`bedplate.client.errors`.
"""

from collections.abc import Iterable

from bedplate.client import AsyncClient, AsyncPages, Client, Pages
from bedplate.rates.v1 import rates_pb2


class AsyncRatesClient(AsyncClient):
    """Knows exchange rates.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first.

    For asyncio. Belongs to the event loop of its first call.
    """

    SERVICE = rates_pb2.DESCRIPTOR.services_by_name["RatesService"]

    async def import_rates(
        self,
        request: rates_pb2.ImportRatesRequest | None = None,
        *,
        source: str | None = None,
        rates: Iterable[rates_pb2.Rate] | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.ImportRatesResponse:
        """Adds rates. A rate that is known already, with an equal value (`1.10` and
        `1.1` are equal), is counted and has no second effect. Refuses, with
        nothing added, with INVALID_ARGUMENT RATE_INVALID (not a decimal number
        above 0 of at most 24 digits, or base equals quote), INVALID_ARGUMENT
        DATE_INVALID, FAILED_PRECONDITION SOURCE_BASE_DIFFERS (the source's first
        rate had another base), ALREADY_EXISTS RATE_EXISTS (another value for this
        source, pair and day).

        Args:
            request: The whole request, instead of its fields.
            source: Who published them, such as `ecb`: 1 to 32 of a-z, 0-9, `_`, `-`.
            rates: 1 to 5000 rates.
            timeout_s: How long it may take, seconds: 10 when left out, 60 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "source": source,
            "rates": rates,
        }
        response: rates_pb2.ImportRatesResponse = await self._unary("ImportRates", request, fields, timeout_s)
        return response

    async def get_rate(
        self,
        request: rates_pb2.GetRateRequest | None = None,
        *,
        base: str | None = None,
        quote: str | None = None,
        date: str | None = None,
        last_known: bool | None = None,
        source: str | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.GetRateResponse:
        """Reads the rate of a pair on a day. A pair that was not published is made
        from the two rates against the source's base, which itself is worth 1 on
        every day; so is a pair of one currency, on days on which it has a rate.
        Refuses with INVALID_ARGUMENT DATE_INVALID, NOT_FOUND CURRENCY_UNKNOWN (the
        source never had a rate for it), NOT_FOUND RATE_NOT_FOUND (no rate on this
        day; with last_known, none before it either; without a date, no day on
        which both currencies have one). The answer may be one that was given up to
        5 s ago: an import through another process of the service is seen after
        that time, one through the same process at once.

        Args:
            request: The whole request, instead of its fields.
            base: One unit of this currency.
            quote: In units of this one.
            date: The day, `YYYY-MM-DD`. Left out: the last one on which both currencies have a rate.
            last_known: True: for a currency without a rate on the day, its last one before is taken, however
                old; the answer says of which day it is.
            source: Who published it. Left out: `ecb`.
            timeout_s: How long it may take, seconds: 2 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "base": base,
            "quote": quote,
            "date": date,
            "last_known": last_known,
            "source": source,
        }
        response: rates_pb2.GetRateResponse = await self._unary("GetRate", request, fields, timeout_s)
        return response

    async def convert(
        self,
        request: rates_pb2.ConvertRequest | None = None,
        *,
        base: str | None = None,
        quote: str | None = None,
        amount: str | None = None,
        date: str | None = None,
        last_known: bool | None = None,
        source: str | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.ConvertResponse:
        """Converts an amount by the rate of a day. Refuses with INVALID_ARGUMENT
        AMOUNT_INVALID (not a decimal number of at most 28 digits), and as GetRate
        does.

        Args:
            request: The whole request, instead of its fields.
            base: The amount's currency.
            quote: The currency of the result.
            amount: A decimal number of at most 28 digits, such as `-12.50`: no plus sign, no exponent, no
                leading zeros.
            date: The day, `YYYY-MM-DD`. Left out: the last one on which both currencies have a rate.
            last_known: True: for a currency without a rate on the day, its last one before is taken, however
                old; the answer says of which day it is.
            source: Who published it. Left out: `ecb`.
            timeout_s: How long it may take, seconds: 2 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "base": base,
            "quote": quote,
            "amount": amount,
            "date": date,
            "last_known": last_known,
            "source": source,
        }
        response: rates_pb2.ConvertResponse = await self._unary("Convert", request, fields, timeout_s)
        return response

    def list_rates(
        self,
        request: rates_pb2.ListRatesRequest | None = None,
        *,
        source: str | None = None,
        quote: str | None = None,
        from_date: str | None = None,
        to_date: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[rates_pb2.Rate, rates_pb2.ListRatesResponse]:
        """Lists published rates by day and quote currency, the oldest first; none for
        a source that is not known. Refuses with INVALID_ARGUMENT DATE_INVALID (not
        a day, or to_date before from_date), and with the platform's
        PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            source: Only rates of this source. Left out: `ecb`.
            quote: Only rates of this quote currency. Left out: all.
            from_date: Only from this day on, `YYYY-MM-DD`. Left out: from the first.
            to_date: Only up to and with this day, `YYYY-MM-DD`. Left out: to the last.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 2 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "source": source,
            "quote": quote,
            "from_date": from_date,
            "to_date": to_date,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListRates", "rates", request, fields, timeout_s)


class RatesClient(Client):
    """Knows exchange rates.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first.

    For plain code, from any thread.
    """

    SERVICE = rates_pb2.DESCRIPTOR.services_by_name["RatesService"]

    def import_rates(
        self,
        request: rates_pb2.ImportRatesRequest | None = None,
        *,
        source: str | None = None,
        rates: Iterable[rates_pb2.Rate] | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.ImportRatesResponse:
        """Adds rates. A rate that is known already, with an equal value (`1.10` and
        `1.1` are equal), is counted and has no second effect. Refuses, with
        nothing added, with INVALID_ARGUMENT RATE_INVALID (not a decimal number
        above 0 of at most 24 digits, or base equals quote), INVALID_ARGUMENT
        DATE_INVALID, FAILED_PRECONDITION SOURCE_BASE_DIFFERS (the source's first
        rate had another base), ALREADY_EXISTS RATE_EXISTS (another value for this
        source, pair and day).

        Args:
            request: The whole request, instead of its fields.
            source: Who published them, such as `ecb`: 1 to 32 of a-z, 0-9, `_`, `-`.
            rates: 1 to 5000 rates.
            timeout_s: How long it may take, seconds: 10 when left out, 60 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "source": source,
            "rates": rates,
        }
        response: rates_pb2.ImportRatesResponse = self._unary("ImportRates", request, fields, timeout_s)
        return response

    def get_rate(
        self,
        request: rates_pb2.GetRateRequest | None = None,
        *,
        base: str | None = None,
        quote: str | None = None,
        date: str | None = None,
        last_known: bool | None = None,
        source: str | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.GetRateResponse:
        """Reads the rate of a pair on a day. A pair that was not published is made
        from the two rates against the source's base, which itself is worth 1 on
        every day; so is a pair of one currency, on days on which it has a rate.
        Refuses with INVALID_ARGUMENT DATE_INVALID, NOT_FOUND CURRENCY_UNKNOWN (the
        source never had a rate for it), NOT_FOUND RATE_NOT_FOUND (no rate on this
        day; with last_known, none before it either; without a date, no day on
        which both currencies have one). The answer may be one that was given up to
        5 s ago: an import through another process of the service is seen after
        that time, one through the same process at once.

        Args:
            request: The whole request, instead of its fields.
            base: One unit of this currency.
            quote: In units of this one.
            date: The day, `YYYY-MM-DD`. Left out: the last one on which both currencies have a rate.
            last_known: True: for a currency without a rate on the day, its last one before is taken, however
                old; the answer says of which day it is.
            source: Who published it. Left out: `ecb`.
            timeout_s: How long it may take, seconds: 2 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "base": base,
            "quote": quote,
            "date": date,
            "last_known": last_known,
            "source": source,
        }
        response: rates_pb2.GetRateResponse = self._unary("GetRate", request, fields, timeout_s)
        return response

    def convert(
        self,
        request: rates_pb2.ConvertRequest | None = None,
        *,
        base: str | None = None,
        quote: str | None = None,
        amount: str | None = None,
        date: str | None = None,
        last_known: bool | None = None,
        source: str | None = None,
        timeout_s: float | None = None,
    ) -> rates_pb2.ConvertResponse:
        """Converts an amount by the rate of a day. Refuses with INVALID_ARGUMENT
        AMOUNT_INVALID (not a decimal number of at most 28 digits), and as GetRate
        does.

        Args:
            request: The whole request, instead of its fields.
            base: The amount's currency.
            quote: The currency of the result.
            amount: A decimal number of at most 28 digits, such as `-12.50`: no plus sign, no exponent, no
                leading zeros.
            date: The day, `YYYY-MM-DD`. Left out: the last one on which both currencies have a rate.
            last_known: True: for a currency without a rate on the day, its last one before is taken, however
                old; the answer says of which day it is.
            source: Who published it. Left out: `ecb`.
            timeout_s: How long it may take, seconds: 2 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "base": base,
            "quote": quote,
            "amount": amount,
            "date": date,
            "last_known": last_known,
            "source": source,
        }
        response: rates_pb2.ConvertResponse = self._unary("Convert", request, fields, timeout_s)
        return response

    def list_rates(
        self,
        request: rates_pb2.ListRatesRequest | None = None,
        *,
        source: str | None = None,
        quote: str | None = None,
        from_date: str | None = None,
        to_date: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[rates_pb2.Rate, rates_pb2.ListRatesResponse]:
        """Lists published rates by day and quote currency, the oldest first; none for
        a source that is not known. Refuses with INVALID_ARGUMENT DATE_INVALID (not
        a day, or to_date before from_date), and with the platform's
        PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            source: Only rates of this source. Left out: `ecb`.
            quote: Only rates of this quote currency. Left out: all.
            from_date: Only from this day on, `YYYY-MM-DD`. Left out: from the first.
            to_date: Only up to and with this day, `YYYY-MM-DD`. Left out: to the last.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 2 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "source": source,
            "quote": quote,
            "from_date": from_date,
            "to_date": to_date,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListRates", "rates", request, fields, timeout_s)
