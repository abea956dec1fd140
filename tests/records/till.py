"""A till: each sale is one more row, so that an effect that happens twice is seen."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from google.protobuf.message_factory import GetMessageClass

from bedplate.data import Database
from bedplate.errors import Kind, Refusal
from bedplate.records.attempt import Step
from bedplate.server.service import Context, Service, ServiceType
from tests.protos import add_file, field

_ONCE = 'idempotency: IDEMPOTENCY_REQUEST_ID replay { ignored_fields: "note" }'
_SELL = "SellRequest", "SellResponse"


def _method(name: str, policy: str, request: str = "SellRequest", response: str = "SellResponse") -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.till.v1.{request}" '
        f'output_type: ".tests.till.v1.{response}" options {{ [bedplate.v1.policy] {{ {policy} }} '
        f'[google.api.http] {{ post: "/v1/till:{name[0].lower()}{name[1:]}" body: "*" }} }} }}\n'
    )


FILE = add_file(
    'name: "tests/till/v1/till.proto" package: "tests.till.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] {} }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_SOLD_OUT" number: 1 options { [bedplate.v1.reason] '
    '{ code: FAILED_PRECONDITION help: "Buy something else." } } }\n'
    '  value { name: "REASON_TILL_BUSY" number: 2 options { [bedplate.v1.reason] '
    '{ code: UNAVAILABLE help: "Try again." } } } }\n'
    'message_type { name: "Line" ' + field("item", 1, "string") + field("count", 2, "int32") + "}\n"
    'message_type { name: "SellRequest"\n'
    + field("request_id", 1, "string")
    + field("item", 2, "string")
    + field("amount_minor", 3, "int64")
    + field("note", 4, "string")  # what the handler does on its way; makes no difference
    + field("lines", 5, ".tests.till.v1.Line", repeated=True)
    + 'field { name: "tags" number: 6 label: LABEL_REPEATED type: TYPE_MESSAGE '
    'type_name: ".tests.till.v1.SellRequest.TagsEntry" }\n'
    'nested_type { name: "TagsEntry" options { map_entry: true }\n'
    + field("key", 1, "string")
    + field("value", 2, "string")
    + "} }\n"
    'message_type { name: "SellResponse"\n'
    + field("sale_id", 1, "string")
    + field("sales", 2, "int64")
    + "}\n"
    'service { name: "TillService"\n'
    '  options { [bedplate.v1.service] { defaults { auth { all_scopes: "till.write" } '
    "visibility: VISIBILITY_PUBLIC deadline { default { seconds: 10 } } } } }\n"
    + "".join(_method(name, _ONCE) for name in ("Sell", "SellToo", "SellInSteps", "Guess", "Forget", "Alter"))
    + _method("SellHourly", "idempotency: IDEMPOTENCY_REQUEST_ID replay { keep { seconds: 3600 } }")
    + "}\n"
)
SERVICE = FILE.services_by_name["TillService"]
SellRequest: Any = GetMessageClass(FILE.message_types_by_name["SellRequest"])
SellResponse: Any = GetMessageClass(FILE.message_types_by_name["SellResponse"])

# What happens at a point on the way of a sale, in the handler or within its transaction.
Action = Callable[[], Awaitable[None] | None]


class Handlers:
    """Sells.

    Attributes:
        points: What to do where a sale comes by, by the point's name. The points
            of a transaction must not be awaited.
        entered: How often a handler began.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.points: dict[str, Action] = {}
        self.entered = 0

    async def _at(self, point: str) -> None:
        if (action := self.points.get(point)) is not None and (waiting := action()) is not None:
            await waiting

    def _within(self, point: str) -> None:
        if (action := self.points.get(point)) is not None:
            action()

    async def Sell(self, request: Any, call: Any) -> Any:
        """One sale more, in one transaction."""
        self.entered += 1
        sale_id = secrets.token_hex(8)
        await self._at("entered")

        def work(connection: sa.Connection) -> Any:
            self._within("begun")
            if is_sold_out(connection, request.item):
                raise Refusal(
                    Kind.STATE, "SOLD_OUT", "There is none left.", retry_after_s=2.5, item=request.item
                )
            add_sale(connection, call.tenant, sale_id, request, "sold")
            self._within("written")
            return SellResponse(sale_id=sale_id, sales=count_sales(connection, call.tenant))

        call.pending.append(lambda _: self._within("kept"))
        response = await self._database.transact(work)
        await self._at("committed")
        return response

    SellToo = SellHourly = Sell

    async def SellInSteps(self, request: Any, call: Any) -> Any:
        """One sale more, in two transactions, the first of which finds what it did before."""
        self.entered += 1
        sale_id = f"of-{request.request_id}"

        def begin(connection: sa.Connection) -> Step[int]:
            self._within("begun")
            if find_state(connection, call.tenant, sale_id) is None:
                add_sale(connection, call.tenant, sale_id, request, "begun")
            return Step(count_sales(connection, call.tenant))

        def end(connection: sa.Connection) -> Any:
            if is_sold_out(connection, request.item):
                raise Refusal(Kind.STATE, "SOLD_OUT", "There is none left.", item=request.item)
            statement = (
                "UPDATE till_sales SET state = 'sold' WHERE tenant_id = :tenant AND sale_id = :sale_id"
            )
            connection.execute(sa.text(statement), {"tenant": call.tenant, "sale_id": sale_id})
            self._within("written")
            return SellResponse(sale_id=sale_id, sales=step.value)

        step = await self._database.transact(begin)
        await self._at("between")
        response = await self._database.transact(end)
        await self._at("committed")
        return response

    async def Guess(self, request: Any, call: Any) -> Any:
        """Change nothing."""
        self.entered += 1
        await self._at("entered")
        if request.item == "busy":
            raise Refusal(Kind.UNAVAILABLE, "TILL_BUSY", "Try again.")
        return SellResponse(sale_id=secrets.token_hex(8))

    async def Forget(self, request: Any, call: Any) -> Any:
        """Return no response from the transaction: a mistake."""
        sale_id = secrets.token_hex(8)
        await self._database.transact(
            lambda connection: add_sale(connection, call.tenant, sale_id, request, "sold")
        )
        return SellResponse(sale_id=sale_id)

    async def Alter(self, request: Any, call: Any) -> Any:
        """Answer something else than was kept, or refuse, or write once more: mistakes."""
        response = await self.Sell(request, call)
        if request.item == "refused":
            raise Refusal(Kind.STATE, "SOLD_OUT", "There is none left.")
        if request.item == "again":
            return await self.Sell(request, call)
        response.sale_id = "altered"
        return response


def add_sale(connection: sa.Connection, tenant: str, sale_id: str, request: Any, state: str) -> None:
    statement = "INSERT INTO till_sales VALUES (:tenant, :sale_id, :item, :amount_minor, :state)"
    values = {"item": request.item, "amount_minor": request.amount_minor, "state": state}
    connection.execute(sa.text(statement), {"tenant": tenant, "sale_id": sale_id, **values})


def count_sales(connection: sa.Connection, tenant: str) -> int:
    statement = "SELECT COUNT(*) FROM till_sales WHERE tenant_id = :tenant"
    count: int = connection.execute(sa.text(statement), {"tenant": tenant}).scalar_one()
    return count


def find_state(connection: sa.Connection, tenant: str, sale_id: str) -> str | None:
    statement = "SELECT state FROM till_sales WHERE tenant_id = :tenant AND sale_id = :sale_id"
    return connection.execute(sa.text(statement), {"tenant": tenant, "sale_id": sale_id}).scalar()


def is_sold_out(connection: sa.Connection, item: str) -> bool:
    statement = "SELECT COUNT(*) FROM till_empty WHERE item = :item"
    return bool(connection.execute(sa.text(statement), {"item": item}).scalar())


def set_sold_out(connection: sa.Connection, item: str, sold_out: bool) -> None:
    statement = (
        "INSERT INTO till_empty VALUES (:item) ON CONFLICT DO NOTHING"
        if sold_out
        else "DELETE FROM till_empty WHERE item = :item"
    )
    connection.execute(sa.text(statement), {"item": item})


def sales(connection: sa.Connection) -> list[tuple[str, str, str]]:
    """Tenant, item and state of each sale."""
    rows = connection.execute(sa.text("SELECT tenant_id, item, state FROM till_sales ORDER BY sale_id"))
    return [(row[0], row[1], row[2]) for row in rows]


def service_type(made: list[Handlers]) -> ServiceType:
    """The service; its handlers are added to a list once they are made."""

    def build(context: Context) -> Service:
        made.append(Handlers(context.database))
        return Service("till", SERVICE, made[-1])

    return ServiceType("till", build, schema=Path(__file__).parent / "schema")


class Hold:
    """Holds a handler until it is let go; tells when the handler is in it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.release.wait()
