"""Holds: created, captured, released, expired, read."""

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.server.paging import page_of
from bedplate.services.ledger import domain, expiry, hold_messages, holding, messages
from bedplate.services.ledger.domain import Head, Hold, HoldState, Outcome
from bedplate.services.ledger.handlers.desk import Desk, require_account, require_head
from bedplate.services.ledger.naming import renamed
from bedplate.services.ledger.store import holds

# How requests call the parts of the transaction that a hold is judged as.
_HOLD_FIELDS = {
    "entries[0].account_id": "hold.debit_account_id",
    "entries[1].account_id": "hold.credit_account_id",
    "entries": "hold.amount_minor",
    "debit_account_id": "hold.debit_account_id",
    "credit_account_id": "hold.credit_account_id",
    "amount_minor": "hold.amount_minor",
    "expire_time": "hold.expire_time",
    "description": "hold.description",
    "metadata": "hold.metadata",
}
_CAPTURE_FIELDS = {"captures_id": "hold_id", "reverses_id": "hold_id", "entries": "amount_minor"}


class HoldHandlers(Desk):
    """Answers calls about holds."""

    async def CreateHold(self, request: pb.CreateHoldRequest, call: Call) -> pb.CreateHoldResponse:
        """Set an amount aside."""
        hold = hold_messages.new_hold(request.hold)
        now_us = self._clock()
        rehearse = request.validate_only

        def work(connection: sa.Connection) -> tuple[Hold, bool]:
            return holding.create(connection, call.tenant, request.ledger_id, hold, now_us, rehearse=rehearse)

        try:
            made, replayed = await self._post(work, call.tenant, request.ledger_id, now_us, rehearse=rehearse)
        except Refusal as refusal:
            raise renamed(refusal, _HOLD_FIELDS) from refusal
        return pb.CreateHoldResponse(hold=hold_messages.to_hold(made), replayed=replayed)

    async def CaptureHold(self, request: pb.CaptureHoldRequest, call: Call) -> pb.CaptureHoldResponse:
        """Post a hold's amount, or less."""
        capture = hold_messages.new_capture(request)
        now_us = self._clock()
        rehearse = request.validate_only

        def work(connection: sa.Connection) -> tuple[Outcome, Hold]:
            return holding.capture(
                connection, call.tenant, request.ledger_id, capture, now_us, rehearse=rehearse
            )

        try:
            outcome, hold = await self._post(work, call.tenant, request.ledger_id, now_us, rehearse=rehearse)
        except Refusal as refusal:
            raise renamed(refusal, _CAPTURE_FIELDS) from refusal
        assert outcome.transaction is not None, "a refused capture is raised"
        return pb.CaptureHoldResponse(
            transaction=messages.to_transaction(outcome.transaction),
            hold=hold_messages.to_hold(hold),
            replayed=outcome.replayed,
        )

    async def ReleaseHold(self, request: pb.ReleaseHoldRequest, call: Call) -> pb.ReleaseHoldResponse:
        """Give back what a hold has set aside."""
        now_us = self._clock()

        def work(connection: sa.Connection) -> Hold:
            return holding.release(connection, call.tenant, request.ledger_id, request.hold_id, now_us)

        hold = await self._post(work, call.tenant, request.ledger_id, now_us)
        return pb.ReleaseHoldResponse(hold=hold_messages.to_hold(hold))

    async def ExpireHolds(self, request: pb.ExpireHoldsRequest, call: Call) -> pb.ExpireHoldsResponse:
        """Give back what holds have set aside whose time has come."""
        now_us = self._clock()

        def work(connection: sa.Connection) -> tuple[Head, int]:
            return expiry.expire(connection, call.tenant, request.ledger_id, now_us)

        head, count = await self._database.transact(work)
        return pb.ExpireHoldsResponse(expired_count=count, more=expiry.is_due(head, now_us))

    async def GetHold(self, request: pb.GetHoldRequest, call: Call) -> pb.GetHoldResponse:
        """Read a hold."""
        now_us = self._clock()

        def work(connection: sa.Connection) -> Hold:
            head = require_head(connection, call.tenant, request.ledger_id)
            found = holds.find_holds(connection, call.tenant, request.ledger_id, [request.hold_id])
            if request.hold_id not in found:
                raise domain.hold_not_found(request.hold_id)
            return found[request.hold_id].at(max(now_us, head.time_us))

        return pb.GetHoldResponse(hold=hold_messages.to_hold(await self._database.read(work)))

    async def ListHolds(self, request: pb.ListHoldsRequest, call: Call) -> pb.ListHoldsResponse:
        """List holds by id."""
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or ("",)
        states = {HoldState(each) for each in request.states if each} or set(HoldState)
        now_us = self._clock()

        def work(connection: sa.Connection) -> list[Hold]:
            head = require_head(connection, call.tenant, request.ledger_id)
            if request.account_id:
                require_account(connection, call.tenant, request.ledger_id, request.account_id)
            return holds.list_holds(
                connection,
                call.tenant,
                request.ledger_id,
                account_id=request.account_id,
                states=states,
                now_us=max(now_us, head.time_us),
                after=after,
                limit=page.size + 1,
            )

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListHoldsResponse(
            holds=[hold_messages.to_hold(hold) for hold in shown],
            next_page_token=page.token(shown[-1].asked.hold_id) if len(found) > page.size else "",
        )
