"""Typed clients of bedplate.ledger.v1. Written from its contract; never edited.

A call takes its request's fields by name, or the whole request. Left out
fields stay unset. A call that does not succeed raises a class of
`bedplate.client.errors`.
"""

from collections.abc import Iterable, Mapping

from google.protobuf import timestamp_pb2

from bedplate.client import AsyncClient, AsyncPages, AsyncStream, Client, Pages, Stream
from bedplate.ledger.v1 import ledger_pb2


class AsyncLedgerClient(AsyncClient):
    """Keeps the books of a tenant.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first.

    For asyncio. Belongs to the event loop of its first call.
    """

    SERVICE = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]

    async def create_ledger(
        self,
        request: ledger_pb2.CreateLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        display_name: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateLedgerResponse:
        """Creates a ledger. The same id again, with the same content, answers the
        ledger that is there. Refuses with ALREADY_EXISTS LEDGER_EXISTS (another
        content under this id).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The new ledger's id: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; a letter or digit first.
            display_name: For people; up to 256 characters, none of them NUL.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "display_name": display_name,
        }
        response: ledger_pb2.CreateLedgerResponse = await self._unary(
            "CreateLedger", request, fields, timeout_s
        )
        return response

    async def get_ledger(
        self,
        request: ledger_pb2.GetLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetLedgerResponse:
        """Reads a ledger. Refuses with NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        response: ledger_pb2.GetLedgerResponse = await self._unary("GetLedger", request, fields, timeout_s)
        return response

    def list_ledgers(
        self,
        request: ledger_pb2.ListLedgersRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.Ledger, ledger_pb2.ListLedgersResponse]:
        """Lists the tenant's ledgers by id. Refuses with INVALID_ARGUMENT
        PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListLedgers", "ledgers", request, fields, timeout_s)

    async def create_account(
        self,
        request: ledger_pb2.CreateAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account: ledger_pb2.Account | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateAccountResponse:
        """Creates an account in a ledger. The same id again, with the same content,
        answers the account that is there. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND, ALREADY_EXISTS ACCOUNT_EXISTS (another content under
        this id; the metadata names the first field that differs), ALREADY_EXISTS
        CURRENCY_SCALE_DIFFERS (the ledger uses the currency with another scale,
        which the metadata names).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account: The new account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account": account,
        }
        response: ledger_pb2.CreateAccountResponse = await self._unary(
            "CreateAccount", request, fields, timeout_s
        )
        return response

    async def get_account(
        self,
        request: ledger_pb2.GetAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetAccountResponse:
        """Reads an account. Refuses with NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
        }
        response: ledger_pb2.GetAccountResponse = await self._unary("GetAccount", request, fields, timeout_s)
        return response

    def list_accounts(
        self,
        request: ledger_pb2.ListAccountsRequest | None = None,
        *,
        ledger_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        types: Iterable[ledger_pb2.AccountType.ValueType] | None = None,
        account_path: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.Account, ledger_pb2.ListAccountsResponse]:
        """Lists the accounts of a ledger by id, or those that an account path names.
        Refuses with INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND
        LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            types: Only accounts of these types. Left out: all.
            account_path: Only the accounts that this path names. Left out: all accounts. A path is segments
                with a colon between two of them. `*` stands for any one segment; `**`, which may only be the
                last, for one or more; any other segment for itself. So `assets:*` names `assets:cash` and
                neither `assets` nor `assets:bank:eur`; `assets:*:eur` names `assets:bank:eur`; `assets:**`
                names all below `assets`. A path without a wildcard names one account. At most 128 characters.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "page_size": page_size,
            "page_token": page_token,
            "types": types,
            "account_path": account_path,
        }
        return self._pages("ListAccounts", "accounts", request, fields, timeout_s)

    async def close_account(
        self,
        request: ledger_pb2.CloseAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CloseAccountResponse:
        """Closes an account: nothing is posted to it from then on. Its balance stays
        as it is, and it is never opened again. Closing it again answers the same.
        Refuses with NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING,
        NOT_FOUND ACCOUNT_NOT_FOUND, FAILED_PRECONDITION ACCOUNT_HAS_HOLDS (a hold
        on it is pending).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
        }
        response: ledger_pb2.CloseAccountResponse = await self._unary(
            "CloseAccount", request, fields, timeout_s
        )
        return response

    async def post_transactions(
        self,
        request: ledger_pb2.PostTransactionsRequest | None = None,
        *,
        ledger_id: str | None = None,
        transactions: Iterable[ledger_pb2.Transaction] | None = None,
        mode: ledger_pb2.BatchMode.ValueType | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.PostTransactionsResponse:
        """Posts transactions, all or none (ATOMIC) or each for itself (INDEPENDENT).
        A transaction that was posted before, under the same id with the same
        content, answers as it did then and has no second effect.

        The whole call refuses with INVALID_ARGUMENT INVALID_REQUEST (more than
        10000 entries, or an effective_time that is no time), INVALID_ARGUMENT
        DUPLICATE_TRANSACTION_ID (one id twice in the call), NOT_FOUND
        LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING. Then each transaction, in order, as if those before it
        had been posted, is refused with the first of: ALREADY_EXISTS
        TRANSACTION_EXISTS (another content under this id; the metadata names the
        first field that differs), INVALID_ARGUMENT ACCOUNT_ON_BOTH_SIDES,
        NOT_FOUND ACCOUNT_NOT_FOUND, INVALID_ARGUMENT UNBALANCED_TRANSACTION,
        FAILED_PRECONDITION ACCOUNT_CLOSED, OUT_OF_RANGE BALANCE_OVERFLOW,
        FAILED_PRECONDITION LIMIT_EXCEEDED. With ATOMIC the call is refused as its
        first refused transaction is; with INDEPENDENT the call succeeds and each
        result tells.

        LIMIT_EXCEEDED and ACCOUNT_CLOSED are for good: the same transaction_id with
        the same content is refused the same way for ever, and with another content
        with TRANSACTION_EXISTS. So is a reversal's id, a hold's (HOLD_EXISTS), and
        that of a capture, with HOLD_RESOLVED too. Every other refusal leaves the
        id free.

        With validate_only it answers what it would answer, and changes nothing.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transactions: 1 to 1000 transactions, with at most 10000 entries together.
            mode: How. Left out: ATOMIC.
            validate_only: True: nothing is posted and no id is used up; the answer tells what would be posted
                now, or why not.
            timeout_s: How long it may take, seconds: 10 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transactions": transactions,
            "mode": mode,
            "validate_only": validate_only,
        }
        response: ledger_pb2.PostTransactionsResponse = await self._unary(
            "PostTransactions", request, fields, timeout_s
        )
        return response

    async def reverse_transaction(
        self,
        request: ledger_pb2.ReverseTransactionRequest | None = None,
        *,
        ledger_id: str | None = None,
        transaction_id: str | None = None,
        reversal_id: str | None = None,
        effective_time: timestamp_pb2.Timestamp | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ReverseTransactionResponse:
        """Posts the exact mirror of a transaction: each debit credited, each credit
        debited. A transaction is reversed once. A reversal is a transaction too
        and may itself be reversed, which does not make the first one reversible
        again. The same reversal_id again, with the same content, answers as it
        did then. Refuses with INVALID_ARGUMENT INVALID_REQUEST (effective_time is
        no time), NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING, NOT_FOUND
        TRANSACTION_NOT_FOUND,
        ALREADY_EXISTS TRANSACTION_EXISTS (another content under reversal_id; the
        metadata names the first field that differs), FAILED_PRECONDITION
        ALREADY_REVERSED (the metadata names the reversal), FAILED_PRECONDITION
        ACCOUNT_CLOSED, OUT_OF_RANGE BALANCE_OVERFLOW, FAILED_PRECONDITION
        LIMIT_EXCEEDED.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transaction_id: The transaction to reverse.
            reversal_id: The id of the reversal, which is a transaction too. Chosen by the caller, or made by
                the client.
            effective_time: When the reversal took place, for the books. Left out: when it is posted.
            description: For people; up to 512 characters, none of them NUL.
            metadata: What else the caller wants to keep with it: at most 32 pairs, keys of 1 to 64 and values
                of up to 512 characters, none of them NUL.
            validate_only: True: nothing is posted; the answer tells what would be posted now.
            timeout_s: How long it may take, seconds: 10 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transaction_id": transaction_id,
            "reversal_id": reversal_id,
            "effective_time": effective_time,
            "description": description,
            "metadata": metadata,
            "validate_only": validate_only,
        }
        response: ledger_pb2.ReverseTransactionResponse = await self._unary(
            "ReverseTransaction", request, fields, timeout_s
        )
        return response

    async def get_transaction(
        self,
        request: ledger_pb2.GetTransactionRequest | None = None,
        *,
        ledger_id: str | None = None,
        transaction_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetTransactionResponse:
        """Reads a transaction with its entries. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND, NOT_FOUND TRANSACTION_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transaction_id: The transaction.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transaction_id": transaction_id,
        }
        response: ledger_pb2.GetTransactionResponse = await self._unary(
            "GetTransaction", request, fields, timeout_s
        )
        return response

    def list_transactions(
        self,
        request: ledger_pb2.ListTransactionsRequest | None = None,
        *,
        ledger_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.Transaction, ledger_pb2.ListTransactionsResponse]:
        """Lists transactions in the order in which they were posted. Refuses with
        INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListTransactions", "transactions", request, fields, timeout_s)

    async def create_hold(
        self,
        request: ledger_pb2.CreateHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold: ledger_pb2.Hold | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateHoldResponse:
        """Sets an amount aside: it counts against the limits of both accounts as if
        it had been posted, until the hold is captured, released or expired. The
        same hold_id again, with the same content, answers the hold as it is now.
        Refuses with INVALID_ARGUMENT INVALID_REQUEST (expire_time is no time),
        NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING, ALREADY_EXISTS
        HOLD_EXISTS (another content under this id; the metadata names the first
        field that differs), INVALID_ARGUMENT INVALID_REQUEST (expire_time has
        passed), INVALID_ARGUMENT ACCOUNT_ON_BOTH_SIDES, NOT_FOUND
        ACCOUNT_NOT_FOUND, INVALID_ARGUMENT UNBALANCED_TRANSACTION (the accounts
        hold two currencies), FAILED_PRECONDITION ACCOUNT_CLOSED, OUT_OF_RANGE
        BALANCE_OVERFLOW, FAILED_PRECONDITION LIMIT_EXCEEDED.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold: The new hold.
            validate_only: True: nothing is set aside; the answer tells what would be now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold": hold,
            "validate_only": validate_only,
        }
        response: ledger_pb2.CreateHoldResponse = await self._unary("CreateHold", request, fields, timeout_s)
        return response

    async def capture_hold(
        self,
        request: ledger_pb2.CaptureHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        transaction_id: str | None = None,
        amount_minor: int | None = None,
        effective_time: timestamp_pb2.Timestamp | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CaptureHoldResponse:
        """Posts a hold's amount, or less, as a transaction, and gives back the rest. A
        hold is captured once. The same transaction_id again, with the same content,
        answers as it did then. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (effective_time is no time), NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE
        HOLDS_EXPIRING, NOT_FOUND HOLD_NOT_FOUND, ALREADY_EXISTS
        TRANSACTION_EXISTS (another content under transaction_id; the metadata names
        the first field that differs), FAILED_PRECONDITION HOLD_RESOLVED (the
        metadata names its state), OUT_OF_RANGE CAPTURE_EXCEEDS_HOLD (the metadata
        names what is held).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            transaction_id: The id of the transaction that is posted. Chosen by the caller, or made by the
                client.
            amount_minor: What to capture, smallest units, from 1 to what is held; the rest is given back.
                Left out: all of it. To capture nothing, release the hold.
            effective_time: When the transaction took place, for the books. Left out: when it is posted.
            description: For people; up to 512 characters, none of them NUL.
            metadata: What else the caller wants to keep with it: at most 32 pairs, keys of 1 to 64 and values
                of up to 512 characters, none of them NUL.
            validate_only: True: nothing is posted; the answer tells what would be posted now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
            "transaction_id": transaction_id,
            "amount_minor": amount_minor,
            "effective_time": effective_time,
            "description": description,
            "metadata": metadata,
            "validate_only": validate_only,
        }
        response: ledger_pb2.CaptureHoldResponse = await self._unary(
            "CaptureHold", request, fields, timeout_s
        )
        return response

    async def release_hold(
        self,
        request: ledger_pb2.ReleaseHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ReleaseHoldResponse:
        """Gives back what a hold has set aside. Releasing it again answers the same.
        Refuses with NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING,
        NOT_FOUND HOLD_NOT_FOUND, FAILED_PRECONDITION HOLD_RESOLVED (it was captured
        or has expired).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
        }
        response: ledger_pb2.ReleaseHoldResponse = await self._unary(
            "ReleaseHold", request, fields, timeout_s
        )
        return response

    async def expire_holds(
        self,
        request: ledger_pb2.ExpireHoldsRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ExpireHoldsResponse:
        """Gives back what holds have set aside whose time has come, at most 1000 of
        them. Nobody needs to call it: whatever touches a ledger does so first. A
        job that calls it keeps that work small. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        response: ledger_pb2.ExpireHoldsResponse = await self._unary(
            "ExpireHolds", request, fields, timeout_s
        )
        return response

    async def get_hold(
        self,
        request: ledger_pb2.GetHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetHoldResponse:
        """Reads a hold. Refuses with NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        HOLD_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
        }
        response: ledger_pb2.GetHoldResponse = await self._unary("GetHold", request, fields, timeout_s)
        return response

    def list_holds(
        self,
        request: ledger_pb2.ListHoldsRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        states: Iterable[ledger_pb2.HoldState.ValueType] | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.Hold, ledger_pb2.ListHoldsResponse]:
        """Lists the holds of a ledger, or of one account, by id. Refuses with
        INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only holds that debit or credit this account. Left out: all.
            states: Only holds in these states. Left out: all.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "states": states,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListHolds", "holds", request, fields, timeout_s)

    async def get_balance(
        self,
        request: ledger_pb2.GetBalanceRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        convert_to: ledger_pb2.Conversion | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetBalanceResponse:
        """Reads the balance of an account, and converts it when asked to, by the
        rates of bedplate.rates.v1; the caller's key needs the scope rates.read for
        that. Refuses with INVALID_ARGUMENT INVALID_REQUEST (convert_to.date is no
        day of the calendar, or as_of.time is no time), NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND, PERMISSION_DENIED SCOPE_MISSING (rates.read),
        UNAVAILABLE RATES_UNAVAILABLE, FAILED_PRECONDITION RATE_NOT_AVAILABLE (no
        rate for the pair and day), OUT_OF_RANGE CONVERSION_OVERFLOW.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            convert_to: Also answer the balance in another currency.
            as_of: The balance as of this time. Left out: now. A hold has one time, so what is pending is what
                was pending then, on either axis.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "convert_to": convert_to,
            "as_of": as_of,
        }
        response: ledger_pb2.GetBalanceResponse = await self._unary("GetBalance", request, fields, timeout_s)
        return response

    def list_entries(
        self,
        request: ledger_pb2.ListEntriesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.PostedEntry, ledger_pb2.ListEntriesResponse]:
        """Lists the entries of a ledger, or of one account, in the order in which
        they were posted. Refuses with INVALID_ARGUMENT PAGE_TOKEN_INVALID,
        NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only this account's. Left out: all.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListEntries", "entries", request, fields, timeout_s)

    def stream_entries(
        self,
        request: ledger_pb2.StreamEntriesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        after_sequence: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncStream[ledger_pb2.StreamEntriesResponse]:
        """Streams the entries of a ledger, or of one account, in the order in which
        they were posted, up to the last one when the call began. Refuses with
        NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only this account's. Left out: all.
            after_sequence: Only entries of transactions after this one. Left out: from the first.
            timeout_s: How long it may take, seconds: 60 when left out, 600 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "after_sequence": after_sequence,
        }
        return self._stream("StreamEntries", request, fields, timeout_s)

    async def get_trial_balance(
        self,
        request: ledger_pb2.GetTrialBalanceRequest | None = None,
        *,
        ledger_id: str | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetTrialBalanceResponse:
        """Adds up all accounts of a ledger, per currency. Debits equal credits, now
        and as of any time. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (as_of.time is no time), NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            as_of: The sums as of this time. Left out: now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "as_of": as_of,
        }
        response: ledger_pb2.GetTrialBalanceResponse = await self._unary(
            "GetTrialBalance", request, fields, timeout_s
        )
        return response

    def aggregate_balances(
        self,
        request: ledger_pb2.AggregateBalancesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_path: str | None = None,
        group_depth: int | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[ledger_pb2.BalanceGroup, ledger_pb2.AggregateBalancesResponse]:
        """Adds up the accounts that an account path names, in groups and per currency,
        now or as of a time. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (as_of.time is no time), INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND
        LEDGER_NOT_FOUND.

        Every page tells of the time at which it is read. Pages of one and the same
        moment are those as of a create_time that has passed.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_path: Which accounts are added up. Left out: all accounts. A path is segments with a colon
                between two of them. `*` stands for any one segment; `**`, which may only be the last, for one
                or more; any other segment for itself. So `assets:*` names `assets:cash` and neither `assets`
                nor `assets:bank:eur`; `assets:*:eur` names `assets:bank:eur`; `assets:**` names all below
                `assets`. A path without a wildcard names one account. At most 128 characters.
            group_depth: Accounts whose first so many segments are the same make a group: 0 to 64. An account
                with fewer segments is in the group of its whole id. Left out: all accounts make one group.
            as_of: The sums as of this time. Left out: now. What is pending is what was pending then, on
                either axis.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_path": account_path,
            "group_depth": group_depth,
            "as_of": as_of,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("AggregateBalances", "groups", request, fields, timeout_s)

    def export_ledger(
        self,
        request: ledger_pb2.ExportLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncStream[ledger_pb2.ExportLedgerResponse]:
        """Streams all that there is of a ledger as records, from which ImportLedger
        makes it again exactly: how it was opened, its accounts by id, what happened
        in the order of time, and a trailer with counts and a digest. It is the
        ledger of the moment at which the call began, and for one state of a ledger
        the records are the same, byte for byte. An account that is created
        meanwhile may be among them. Refuses with NOT_FOUND LEDGER_NOT_FOUND,
        FAILED_PRECONDITION LEDGER_IMPORTING.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 600 when left out, 3600 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        return self._stream("ExportLedger", request, fields, timeout_s)

    async def import_ledger(
        self,
        request: ledger_pb2.ImportLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        first_record: int | None = None,
        records: Iterable[ledger_pb2.LedgerRecord] | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ImportLedgerResponse:
        """Makes a ledger from the records of an export, batch by batch. The first
        batch creates the ledger; until the trailer has come it takes nothing else.
        Each record is checked as if it were posted now, but at the time and place
        that it names: what breaks a rule of the ledger, or is not as it was
        exported, is refused with the record's index, and nothing of its batch is
        kept. The same batch again answers the same. Without records it tells how
        far the import is.

        It has a scope of its own, because it says when things happened, which
        nobody who posts can do.

        Refuses with INVALID_ARGUMENT INVALID_REQUEST (more than 10000 entries),
        ALREADY_EXISTS LEDGER_EXISTS (no import made the ledger that has this id),
        FAILED_PRECONDITION IMPORT_OUT_OF_PLACE (the metadata names the record that
        comes next), ALREADY_EXISTS IMPORT_DIFFERS (another export was imported),
        INVALID_ARGUMENT RECORD_INVALID (the metadata names the record, and in
        `breaks` the reason with which a posting would be refused).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The id of the ledger that is made: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; a letter or
                digit first.
            first_record: The index of the first of `records`.
            records: At most 1000 records in their order, with at most 10000 entries together. Left out:
                nothing is imported, and the answer tells how far it is.
            timeout_s: How long it may take, seconds: 30 when left out, 60 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "first_record": first_record,
            "records": records,
        }
        response: ledger_pb2.ImportLedgerResponse = await self._unary(
            "ImportLedger", request, fields, timeout_s
        )
        return response


class LedgerClient(Client):
    """Keeps the books of a tenant.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first.

    For plain code, from any thread.
    """

    SERVICE = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]

    def create_ledger(
        self,
        request: ledger_pb2.CreateLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        display_name: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateLedgerResponse:
        """Creates a ledger. The same id again, with the same content, answers the
        ledger that is there. Refuses with ALREADY_EXISTS LEDGER_EXISTS (another
        content under this id).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The new ledger's id: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; a letter or digit first.
            display_name: For people; up to 256 characters, none of them NUL.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "display_name": display_name,
        }
        response: ledger_pb2.CreateLedgerResponse = self._unary("CreateLedger", request, fields, timeout_s)
        return response

    def get_ledger(
        self,
        request: ledger_pb2.GetLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetLedgerResponse:
        """Reads a ledger. Refuses with NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        response: ledger_pb2.GetLedgerResponse = self._unary("GetLedger", request, fields, timeout_s)
        return response

    def list_ledgers(
        self,
        request: ledger_pb2.ListLedgersRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.Ledger, ledger_pb2.ListLedgersResponse]:
        """Lists the tenant's ledgers by id. Refuses with INVALID_ARGUMENT
        PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListLedgers", "ledgers", request, fields, timeout_s)

    def create_account(
        self,
        request: ledger_pb2.CreateAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account: ledger_pb2.Account | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateAccountResponse:
        """Creates an account in a ledger. The same id again, with the same content,
        answers the account that is there. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND, ALREADY_EXISTS ACCOUNT_EXISTS (another content under
        this id; the metadata names the first field that differs), ALREADY_EXISTS
        CURRENCY_SCALE_DIFFERS (the ledger uses the currency with another scale,
        which the metadata names).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account: The new account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account": account,
        }
        response: ledger_pb2.CreateAccountResponse = self._unary("CreateAccount", request, fields, timeout_s)
        return response

    def get_account(
        self,
        request: ledger_pb2.GetAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetAccountResponse:
        """Reads an account. Refuses with NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
        }
        response: ledger_pb2.GetAccountResponse = self._unary("GetAccount", request, fields, timeout_s)
        return response

    def list_accounts(
        self,
        request: ledger_pb2.ListAccountsRequest | None = None,
        *,
        ledger_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        types: Iterable[ledger_pb2.AccountType.ValueType] | None = None,
        account_path: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.Account, ledger_pb2.ListAccountsResponse]:
        """Lists the accounts of a ledger by id, or those that an account path names.
        Refuses with INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND
        LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            types: Only accounts of these types. Left out: all.
            account_path: Only the accounts that this path names. Left out: all accounts. A path is segments
                with a colon between two of them. `*` stands for any one segment; `**`, which may only be the
                last, for one or more; any other segment for itself. So `assets:*` names `assets:cash` and
                neither `assets` nor `assets:bank:eur`; `assets:*:eur` names `assets:bank:eur`; `assets:**`
                names all below `assets`. A path without a wildcard names one account. At most 128 characters.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "page_size": page_size,
            "page_token": page_token,
            "types": types,
            "account_path": account_path,
        }
        return self._pages("ListAccounts", "accounts", request, fields, timeout_s)

    def close_account(
        self,
        request: ledger_pb2.CloseAccountRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CloseAccountResponse:
        """Closes an account: nothing is posted to it from then on. Its balance stays
        as it is, and it is never opened again. Closing it again answers the same.
        Refuses with NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING,
        NOT_FOUND ACCOUNT_NOT_FOUND, FAILED_PRECONDITION ACCOUNT_HAS_HOLDS (a hold
        on it is pending).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
        }
        response: ledger_pb2.CloseAccountResponse = self._unary("CloseAccount", request, fields, timeout_s)
        return response

    def post_transactions(
        self,
        request: ledger_pb2.PostTransactionsRequest | None = None,
        *,
        ledger_id: str | None = None,
        transactions: Iterable[ledger_pb2.Transaction] | None = None,
        mode: ledger_pb2.BatchMode.ValueType | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.PostTransactionsResponse:
        """Posts transactions, all or none (ATOMIC) or each for itself (INDEPENDENT).
        A transaction that was posted before, under the same id with the same
        content, answers as it did then and has no second effect.

        The whole call refuses with INVALID_ARGUMENT INVALID_REQUEST (more than
        10000 entries, or an effective_time that is no time), INVALID_ARGUMENT
        DUPLICATE_TRANSACTION_ID (one id twice in the call), NOT_FOUND
        LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING. Then each transaction, in order, as if those before it
        had been posted, is refused with the first of: ALREADY_EXISTS
        TRANSACTION_EXISTS (another content under this id; the metadata names the
        first field that differs), INVALID_ARGUMENT ACCOUNT_ON_BOTH_SIDES,
        NOT_FOUND ACCOUNT_NOT_FOUND, INVALID_ARGUMENT UNBALANCED_TRANSACTION,
        FAILED_PRECONDITION ACCOUNT_CLOSED, OUT_OF_RANGE BALANCE_OVERFLOW,
        FAILED_PRECONDITION LIMIT_EXCEEDED. With ATOMIC the call is refused as its
        first refused transaction is; with INDEPENDENT the call succeeds and each
        result tells.

        LIMIT_EXCEEDED and ACCOUNT_CLOSED are for good: the same transaction_id with
        the same content is refused the same way for ever, and with another content
        with TRANSACTION_EXISTS. So is a reversal's id, a hold's (HOLD_EXISTS), and
        that of a capture, with HOLD_RESOLVED too. Every other refusal leaves the
        id free.

        With validate_only it answers what it would answer, and changes nothing.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transactions: 1 to 1000 transactions, with at most 10000 entries together.
            mode: How. Left out: ATOMIC.
            validate_only: True: nothing is posted and no id is used up; the answer tells what would be posted
                now, or why not.
            timeout_s: How long it may take, seconds: 10 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transactions": transactions,
            "mode": mode,
            "validate_only": validate_only,
        }
        response: ledger_pb2.PostTransactionsResponse = self._unary(
            "PostTransactions", request, fields, timeout_s
        )
        return response

    def reverse_transaction(
        self,
        request: ledger_pb2.ReverseTransactionRequest | None = None,
        *,
        ledger_id: str | None = None,
        transaction_id: str | None = None,
        reversal_id: str | None = None,
        effective_time: timestamp_pb2.Timestamp | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ReverseTransactionResponse:
        """Posts the exact mirror of a transaction: each debit credited, each credit
        debited. A transaction is reversed once. A reversal is a transaction too
        and may itself be reversed, which does not make the first one reversible
        again. The same reversal_id again, with the same content, answers as it
        did then. Refuses with INVALID_ARGUMENT INVALID_REQUEST (effective_time is
        no time), NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING, NOT_FOUND
        TRANSACTION_NOT_FOUND,
        ALREADY_EXISTS TRANSACTION_EXISTS (another content under reversal_id; the
        metadata names the first field that differs), FAILED_PRECONDITION
        ALREADY_REVERSED (the metadata names the reversal), FAILED_PRECONDITION
        ACCOUNT_CLOSED, OUT_OF_RANGE BALANCE_OVERFLOW, FAILED_PRECONDITION
        LIMIT_EXCEEDED.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transaction_id: The transaction to reverse.
            reversal_id: The id of the reversal, which is a transaction too. Chosen by the caller, or made by
                the client.
            effective_time: When the reversal took place, for the books. Left out: when it is posted.
            description: For people; up to 512 characters, none of them NUL.
            metadata: What else the caller wants to keep with it: at most 32 pairs, keys of 1 to 64 and values
                of up to 512 characters, none of them NUL.
            validate_only: True: nothing is posted; the answer tells what would be posted now.
            timeout_s: How long it may take, seconds: 10 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transaction_id": transaction_id,
            "reversal_id": reversal_id,
            "effective_time": effective_time,
            "description": description,
            "metadata": metadata,
            "validate_only": validate_only,
        }
        response: ledger_pb2.ReverseTransactionResponse = self._unary(
            "ReverseTransaction", request, fields, timeout_s
        )
        return response

    def get_transaction(
        self,
        request: ledger_pb2.GetTransactionRequest | None = None,
        *,
        ledger_id: str | None = None,
        transaction_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetTransactionResponse:
        """Reads a transaction with its entries. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND, NOT_FOUND TRANSACTION_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            transaction_id: The transaction.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "transaction_id": transaction_id,
        }
        response: ledger_pb2.GetTransactionResponse = self._unary(
            "GetTransaction", request, fields, timeout_s
        )
        return response

    def list_transactions(
        self,
        request: ledger_pb2.ListTransactionsRequest | None = None,
        *,
        ledger_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.Transaction, ledger_pb2.ListTransactionsResponse]:
        """Lists transactions in the order in which they were posted. Refuses with
        INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListTransactions", "transactions", request, fields, timeout_s)

    def create_hold(
        self,
        request: ledger_pb2.CreateHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold: ledger_pb2.Hold | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CreateHoldResponse:
        """Sets an amount aside: it counts against the limits of both accounts as if
        it had been posted, until the hold is captured, released or expired. The
        same hold_id again, with the same content, answers the hold as it is now.
        Refuses with INVALID_ARGUMENT INVALID_REQUEST (expire_time is no time),
        NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING, ALREADY_EXISTS
        HOLD_EXISTS (another content under this id; the metadata names the first
        field that differs), INVALID_ARGUMENT INVALID_REQUEST (expire_time has
        passed), INVALID_ARGUMENT ACCOUNT_ON_BOTH_SIDES, NOT_FOUND
        ACCOUNT_NOT_FOUND, INVALID_ARGUMENT UNBALANCED_TRANSACTION (the accounts
        hold two currencies), FAILED_PRECONDITION ACCOUNT_CLOSED, OUT_OF_RANGE
        BALANCE_OVERFLOW, FAILED_PRECONDITION LIMIT_EXCEEDED.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold: The new hold.
            validate_only: True: nothing is set aside; the answer tells what would be now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold": hold,
            "validate_only": validate_only,
        }
        response: ledger_pb2.CreateHoldResponse = self._unary("CreateHold", request, fields, timeout_s)
        return response

    def capture_hold(
        self,
        request: ledger_pb2.CaptureHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        transaction_id: str | None = None,
        amount_minor: int | None = None,
        effective_time: timestamp_pb2.Timestamp | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        validate_only: bool | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.CaptureHoldResponse:
        """Posts a hold's amount, or less, as a transaction, and gives back the rest. A
        hold is captured once. The same transaction_id again, with the same content,
        answers as it did then. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (effective_time is no time), NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE
        HOLDS_EXPIRING, NOT_FOUND HOLD_NOT_FOUND, ALREADY_EXISTS
        TRANSACTION_EXISTS (another content under transaction_id; the metadata names
        the first field that differs), FAILED_PRECONDITION HOLD_RESOLVED (the
        metadata names its state), OUT_OF_RANGE CAPTURE_EXCEEDS_HOLD (the metadata
        names what is held).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            transaction_id: The id of the transaction that is posted. Chosen by the caller, or made by the
                client.
            amount_minor: What to capture, smallest units, from 1 to what is held; the rest is given back.
                Left out: all of it. To capture nothing, release the hold.
            effective_time: When the transaction took place, for the books. Left out: when it is posted.
            description: For people; up to 512 characters, none of them NUL.
            metadata: What else the caller wants to keep with it: at most 32 pairs, keys of 1 to 64 and values
                of up to 512 characters, none of them NUL.
            validate_only: True: nothing is posted; the answer tells what would be posted now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
            "transaction_id": transaction_id,
            "amount_minor": amount_minor,
            "effective_time": effective_time,
            "description": description,
            "metadata": metadata,
            "validate_only": validate_only,
        }
        response: ledger_pb2.CaptureHoldResponse = self._unary("CaptureHold", request, fields, timeout_s)
        return response

    def release_hold(
        self,
        request: ledger_pb2.ReleaseHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ReleaseHoldResponse:
        """Gives back what a hold has set aside. Releasing it again answers the same.
        Refuses with NOT_FOUND LEDGER_NOT_FOUND, UNAVAILABLE HOLDS_EXPIRING,
        NOT_FOUND HOLD_NOT_FOUND, FAILED_PRECONDITION HOLD_RESOLVED (it was captured
        or has expired).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
        }
        response: ledger_pb2.ReleaseHoldResponse = self._unary("ReleaseHold", request, fields, timeout_s)
        return response

    def expire_holds(
        self,
        request: ledger_pb2.ExpireHoldsRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ExpireHoldsResponse:
        """Gives back what holds have set aside whose time has come, at most 1000 of
        them. Nobody needs to call it: whatever touches a ledger does so first. A
        job that calls it keeps that work small. Refuses with NOT_FOUND
        LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        response: ledger_pb2.ExpireHoldsResponse = self._unary("ExpireHolds", request, fields, timeout_s)
        return response

    def get_hold(
        self,
        request: ledger_pb2.GetHoldRequest | None = None,
        *,
        ledger_id: str | None = None,
        hold_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetHoldResponse:
        """Reads a hold. Refuses with NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        HOLD_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            hold_id: The hold.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "hold_id": hold_id,
        }
        response: ledger_pb2.GetHoldResponse = self._unary("GetHold", request, fields, timeout_s)
        return response

    def list_holds(
        self,
        request: ledger_pb2.ListHoldsRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        states: Iterable[ledger_pb2.HoldState.ValueType] | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.Hold, ledger_pb2.ListHoldsResponse]:
        """Lists the holds of a ledger, or of one account, by id. Refuses with
        INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only holds that debit or credit this account. Left out: all.
            states: Only holds in these states. Left out: all.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "states": states,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListHolds", "holds", request, fields, timeout_s)

    def get_balance(
        self,
        request: ledger_pb2.GetBalanceRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        convert_to: ledger_pb2.Conversion | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetBalanceResponse:
        """Reads the balance of an account, and converts it when asked to, by the
        rates of bedplate.rates.v1; the caller's key needs the scope rates.read for
        that. Refuses with INVALID_ARGUMENT INVALID_REQUEST (convert_to.date is no
        day of the calendar, or as_of.time is no time), NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND
        ACCOUNT_NOT_FOUND, PERMISSION_DENIED SCOPE_MISSING (rates.read),
        UNAVAILABLE RATES_UNAVAILABLE, FAILED_PRECONDITION RATE_NOT_AVAILABLE (no
        rate for the pair and day), OUT_OF_RANGE CONVERSION_OVERFLOW.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: The account.
            convert_to: Also answer the balance in another currency.
            as_of: The balance as of this time. Left out: now. A hold has one time, so what is pending is what
                was pending then, on either axis.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "convert_to": convert_to,
            "as_of": as_of,
        }
        response: ledger_pb2.GetBalanceResponse = self._unary("GetBalance", request, fields, timeout_s)
        return response

    def list_entries(
        self,
        request: ledger_pb2.ListEntriesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.PostedEntry, ledger_pb2.ListEntriesResponse]:
        """Lists the entries of a ledger, or of one account, in the order in which
        they were posted. Refuses with INVALID_ARGUMENT PAGE_TOKEN_INVALID,
        NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only this account's. Left out: all.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListEntries", "entries", request, fields, timeout_s)

    def stream_entries(
        self,
        request: ledger_pb2.StreamEntriesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_id: str | None = None,
        after_sequence: int | None = None,
        timeout_s: float | None = None,
    ) -> Stream[ledger_pb2.StreamEntriesResponse]:
        """Streams the entries of a ledger, or of one account, in the order in which
        they were posted, up to the last one when the call began. Refuses with
        NOT_FOUND LEDGER_NOT_FOUND, NOT_FOUND ACCOUNT_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_id: Only this account's. Left out: all.
            after_sequence: Only entries of transactions after this one. Left out: from the first.
            timeout_s: How long it may take, seconds: 60 when left out, 600 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_id": account_id,
            "after_sequence": after_sequence,
        }
        return self._stream("StreamEntries", request, fields, timeout_s)

    def get_trial_balance(
        self,
        request: ledger_pb2.GetTrialBalanceRequest | None = None,
        *,
        ledger_id: str | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.GetTrialBalanceResponse:
        """Adds up all accounts of a ledger, per currency. Debits equal credits, now
        and as of any time. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (as_of.time is no time), NOT_FOUND LEDGER_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            as_of: The sums as of this time. Left out: now.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "as_of": as_of,
        }
        response: ledger_pb2.GetTrialBalanceResponse = self._unary(
            "GetTrialBalance", request, fields, timeout_s
        )
        return response

    def aggregate_balances(
        self,
        request: ledger_pb2.AggregateBalancesRequest | None = None,
        *,
        ledger_id: str | None = None,
        account_path: str | None = None,
        group_depth: int | None = None,
        as_of: ledger_pb2.AsOf | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[ledger_pb2.BalanceGroup, ledger_pb2.AggregateBalancesResponse]:
        """Adds up the accounts that an account path names, in groups and per currency,
        now or as of a time. Refuses with INVALID_ARGUMENT INVALID_REQUEST
        (as_of.time is no time), INVALID_ARGUMENT PAGE_TOKEN_INVALID, NOT_FOUND
        LEDGER_NOT_FOUND.

        Every page tells of the time at which it is read. Pages of one and the same
        moment are those as of a create_time that has passed.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            account_path: Which accounts are added up. Left out: all accounts. A path is segments with a colon
                between two of them. `*` stands for any one segment; `**`, which may only be the last, for one
                or more; any other segment for itself. So `assets:*` names `assets:cash` and neither `assets`
                nor `assets:bank:eur`; `assets:*:eur` names `assets:bank:eur`; `assets:**` names all below
                `assets`. A path without a wildcard names one account. At most 128 characters.
            group_depth: Accounts whose first so many segments are the same make a group: 0 to 64. An account
                with fewer segments is in the group of its whole id. Left out: all accounts make one group.
            as_of: The sums as of this time. Left out: now. What is pending is what was pending then, on
                either axis.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "account_path": account_path,
            "group_depth": group_depth,
            "as_of": as_of,
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("AggregateBalances", "groups", request, fields, timeout_s)

    def export_ledger(
        self,
        request: ledger_pb2.ExportLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Stream[ledger_pb2.ExportLedgerResponse]:
        """Streams all that there is of a ledger as records, from which ImportLedger
        makes it again exactly: how it was opened, its accounts by id, what happened
        in the order of time, and a trailer with counts and a digest. It is the
        ledger of the moment at which the call began, and for one state of a ledger
        the records are the same, byte for byte. An account that is created
        meanwhile may be among them. Refuses with NOT_FOUND LEDGER_NOT_FOUND,
        FAILED_PRECONDITION LEDGER_IMPORTING.

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The ledger.
            timeout_s: How long it may take, seconds: 600 when left out, 3600 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
        }
        return self._stream("ExportLedger", request, fields, timeout_s)

    def import_ledger(
        self,
        request: ledger_pb2.ImportLedgerRequest | None = None,
        *,
        ledger_id: str | None = None,
        first_record: int | None = None,
        records: Iterable[ledger_pb2.LedgerRecord] | None = None,
        timeout_s: float | None = None,
    ) -> ledger_pb2.ImportLedgerResponse:
        """Makes a ledger from the records of an export, batch by batch. The first
        batch creates the ledger; until the trailer has come it takes nothing else.
        Each record is checked as if it were posted now, but at the time and place
        that it names: what breaks a rule of the ledger, or is not as it was
        exported, is refused with the record's index, and nothing of its batch is
        kept. The same batch again answers the same. Without records it tells how
        far the import is.

        It has a scope of its own, because it says when things happened, which
        nobody who posts can do.

        Refuses with INVALID_ARGUMENT INVALID_REQUEST (more than 10000 entries),
        ALREADY_EXISTS LEDGER_EXISTS (no import made the ledger that has this id),
        FAILED_PRECONDITION IMPORT_OUT_OF_PLACE (the metadata names the record that
        comes next), ALREADY_EXISTS IMPORT_DIFFERS (another export was imported),
        INVALID_ARGUMENT RECORD_INVALID (the metadata names the record, and in
        `breaks` the reason with which a posting would be refused).

        Args:
            request: The whole request, instead of its fields.
            ledger_id: The id of the ledger that is made: 1 to 64 of a-z, 0-9, `.`, `_`, `-`; a letter or
                digit first.
            first_record: The index of the first of `records`.
            records: At most 1000 records in their order, with at most 10000 entries together. Left out:
                nothing is imported, and the answer tells how far it is.
            timeout_s: How long it may take, seconds: 30 when left out, 60 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "ledger_id": ledger_id,
            "first_record": first_record,
            "records": records,
        }
        response: ledger_pb2.ImportLedgerResponse = self._unary("ImportLedger", request, fields, timeout_s)
        return response
