"""The admin service over a real channel: faults are set, listed and cleared, and hit calls on every door."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from bedplate.admin.v1 import admin_pb2 as pb
from bedplate.auth.principal import Principal
from bedplate.client.errors import CallError
from bedplate.clients.admin import AsyncAdminClient
from bedplate.clients.rates import AsyncRatesClient
from bedplate.services.admin.service import SERVICE as ADMIN
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.serve import KEY, Served, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATES_ALL = "bedplate.rates.v1.RatesService/*"
LIST = "bedplate.rates.v1.RatesService/ListRates"
PLAIN = "plain-key"
PRINCIPALS = {PLAIN: Principal("key:plain", "tenant-a", frozenset({"rates.read"}))}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    """A server with rates, for all tests of this file."""
    async with serve([RATES, ADMIN], principals=PRINCIPALS, drain_refuse_s=0.1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(served: Served) -> AsyncIterator[AsyncAdminClient]:
    """An operator, and no faults at the end."""
    async with AsyncAdminClient(served.grpc_address, key=KEY) as client:
        yield client
        await client.clear_faults()


@pytest_asyncio.fixture(loop_scope="module")
async def rates(served: Served) -> AsyncIterator[AsyncRatesClient]:
    """A caller."""
    async with AsyncRatesClient(served.grpc_address, key=PLAIN) as client:
        yield client


def fault(id: str = "f", target: str = LIST, **effect: Any) -> pb.Fault:
    """A fault; an abort unless it says otherwise."""
    if not {"delay", "abort", "drop", "pushback"} & set(effect):
        effect["abort"] = pb.Abort(code=code_pb2.ABORTED)
    return pb.Fault(fault_id=id, target=target, **effect)


async def faults_of(admin: AsyncAdminClient) -> list[pb.Fault]:
    """All faults in force."""
    return [each async for each in admin.list_faults()]


async def list_rates(served: Served, door: str) -> tuple[str, str]:
    """Ask for rates at a door; code and reason of the answer."""
    if door == "http":
        async with httpx.AsyncClient() as http:
            answer = await http.get(
                f"http://{served.http_address}/v1/rates", headers={"authorization": f"Bearer {PLAIN}"}
            )
        problem = answer.json()
        return (problem["code"], problem["reason"]) if answer.status_code >= 400 else ("OK", "")
    async with AsyncRatesClient(served.grpc_address, key=PLAIN) as client:
        try:
            await anext(aiter(client.list_rates()), None)
        except CallError as error:
            return error.code, error.reason
    return "OK", ""


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize("target", [LIST, RATES_ALL])
async def test_a_fault_hits_the_calls_of_every_door_until_it_is_cleared(
    served: Served, admin: AsyncAdminClient, door: str, target: str
) -> None:
    await admin.set_fault(fault=fault(target=target))
    assert await list_rates(served, door) == ("ABORTED", "FAULT_INJECTED")

    await admin.clear_fault(fault_id="f")
    assert await list_rates(served, door) == ("OK", "")


async def test_what_is_listed_is_what_was_set(admin: AsyncAdminClient, rates: AsyncRatesClient) -> None:
    given = fault("slow", delay=pb.Delay(shortest=Duration(nanos=1_000_000)), percentage=50.0, hit_limit=7)
    made = (await admin.set_fault(fault=given)).fault
    await admin.set_fault(fault=fault("gone", drop=pb.Drop()))
    await admin.set_fault(fault=fault("later", pushback=pb.Pushback(retry_after=Duration(seconds=2))))
    await admin.set_fault(fault=fault("later", abort=pb.Abort()))

    listed = await faults_of(admin)
    assert [each.fault_id for each in listed] == ["slow", "gone", "later"]
    assert (made.percentage, made.hit_limit, made.creator) == (50.0, 7, f"key:{KEY}")
    assert made.duration.seconds == 600
    assert made.delay.longest.nanos == 1_000_000
    assert listed[1].WhichOneof("effect") == "drop"
    assert listed[2].abort.code == code_pb2.UNAVAILABLE
    assert (await admin.clear_faults()).cleared_count == 3
    assert await faults_of(admin) == []


async def test_hits_are_counted_and_a_limit_ends_the_fault(served: Served, admin: AsyncAdminClient) -> None:
    await admin.set_fault(fault=fault(hit_limit=2))

    await list_rates(served, "grpc")
    [counted] = await faults_of(admin)
    await list_rates(served, "http")

    assert counted.hit_count == 1
    assert await faults_of(admin) == []
    assert await list_rates(served, "http") == ("OK", "")


async def test_faults_are_listed_page_by_page(admin: AsyncAdminClient) -> None:
    for number in range(5):
        await admin.set_fault(fault=fault(f"f{number}"))

    pages = admin.list_faults(page_size=2).pages()
    found = [[each.fault_id for each in page.faults] async for page in pages]

    assert found == [["f0", "f1"], ["f2", "f3"], ["f4"]]


async def test_a_dropped_call_ends_at_its_callers_deadline(
    admin: AsyncAdminClient, rates: AsyncRatesClient
) -> None:
    await admin.set_fault(fault=fault(drop=pb.Drop()))

    with pytest.raises(CallError) as late:
        await anext(aiter(rates.list_rates(timeout_s=0.1)))

    assert late.value.code == "DEADLINE_EXCEEDED"


async def test_pushback_reaches_callers_on_both_doors(
    served: Served, admin: AsyncAdminClient, rates: AsyncRatesClient
) -> None:
    """A gRPC client comes back by itself after as long as it is told; HTTP's is told the same."""
    wait = Duration(nanos=300_000_000)
    await admin.set_fault(fault=fault(pushback=pb.Pushback(retry_after=wait), hit_limit=2))

    async with httpx.AsyncClient() as http:
        answer = await http.get(
            f"http://{served.http_address}/v1/rates", headers={"authorization": f"Bearer {PLAIN}"}
        )
    began = time.monotonic()
    await anext(aiter(rates.list_rates()), None)

    assert time.monotonic() - began >= 0.3
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert await faults_of(admin) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.Fault(fault_id="f", target=LIST), "fault.effect"),
        (fault(percentage=0.0), "fault.percentage"),
        (fault(percentage=100.5), "fault.percentage"),
        (fault(percentage=float("nan")), "fault.percentage"),
        (fault(duration=Duration()), "fault.duration"),
        (fault(duration=Duration(seconds=24 * 3600 + 1)), "fault.duration"),
        (fault(delay=pb.Delay(shortest=Duration(seconds=61))), "fault.delay.shortest"),
        (fault(delay=pb.Delay(shortest=Duration(seconds=-1))), "fault.delay.shortest"),
        (
            fault(delay=pb.Delay(shortest=Duration(seconds=2), longest=Duration(seconds=1))),
            "fault.delay.longest",
        ),
        (fault(abort=pb.Abort(code=99)), "fault.abort.code"),  # type: ignore[arg-type]
        (fault(pushback=pb.Pushback(retry_after=Duration(seconds=3601))), "fault.pushback.retry_after"),
    ],
)
async def test_a_fault_that_says_nothing_or_too_much_is_refused_by_field(
    admin: AsyncAdminClient, wrong: pb.Fault, field: str
) -> None:
    with pytest.raises(CallError) as refused:
        await admin.set_fault(fault=wrong)

    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "FAULT_INVALID")
    assert [violation.field for violation in refused.value.violations] == [field]


@pytest.mark.parametrize(
    "target",
    [
        "bedplate.rates.v1.RatesService/Nothing",
        "bedplate.rates.v1.RatesService",
        "*",
        "*/*",
        "bedplate.ledger.v1.LedgerService/*",
        "bedplate.admin.v1.AdminService/*",
        "bedplate.admin.v1.AdminService/ClearFault",
        "grpc.health.v1.Health/Check",
    ],
)
async def test_only_methods_that_the_process_has_can_be_hit_and_never_those_of_operators(
    admin: AsyncAdminClient, target: str
) -> None:
    with pytest.raises(CallError) as refused:
        await admin.set_fault(fault=fault(target=target))

    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "TARGET_NOT_FOUND")
    assert await faults_of(admin) == []


async def test_more_faults_than_a_process_holds_are_refused(admin: AsyncAdminClient) -> None:
    for number in range(100):
        await admin.set_fault(fault=fault(f"f{number}"))

    with pytest.raises(CallError) as refused:
        await admin.set_fault(fault=fault("more"))

    assert (refused.value.code, refused.value.reason) == ("RESOURCE_EXHAUSTED", "FAULTS_FULL")
    assert len(await faults_of(admin)) == 100


async def test_a_fault_that_there_is_not_cannot_be_cleared(admin: AsyncAdminClient) -> None:
    with pytest.raises(CallError) as refused:
        await admin.clear_fault(fault_id="none")

    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "FAULT_NOT_FOUND")


async def test_only_operators_may(served: Served) -> None:
    async with AsyncAdminClient(served.grpc_address, key=PLAIN) as client:
        with pytest.raises(CallError) as refused:
            await client.set_fault(fault=fault())
    async with AsyncAdminClient(served.grpc_address) as client:
        with pytest.raises(CallError) as anonymous:
            await faults_of(client)

    assert (refused.value.reason, refused.value.facts["scopes"]) == ("SCOPE_MISSING", "platform.admin")
    assert anonymous.value.reason == "CREDENTIAL_MISSING"


async def test_nothing_of_it_is_reachable_over_http(served: Served) -> None:
    async with httpx.AsyncClient(base_url=f"http://{served.http_address}") as http:
        pages = [(await http.get(path)).text for path in ("/openapi.json", "/reference")]

    routes = [method.name for method in served.app.methods.values() if "admin" in method.name]
    assert routes
    assert not any("AdminService" in page for page in pages)


async def test_a_process_in_production_injects_nothing() -> None:
    settings = {"production": True, "tls_elsewhere": True, "drain_refuse_s": 0.1}
    async with (
        serve([RATES, ADMIN], principals=PRINCIPALS, **settings) as served,
        AsyncAdminClient(served.grpc_address, key=KEY) as admin,
    ):
        with pytest.raises(CallError) as refused:
            await admin.set_fault(fault=fault())

        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "FAULTS_FORBIDDEN")
        assert await faults_of(admin) == []
        assert await list_rates(served, "grpc") == ("OK", "")


async def test_its_calls_pass_no_stage_that_overload_or_an_operator_closes(served: Served) -> None:
    stages = served.app.methods["bedplate.admin.v1.AdminService/SetFault"].stages

    assert not {"shed", "switch", "feasible", "fault"} & set(stages)
    assert {"deadline", "authenticate", "authorise", "decode", "validate"} <= set(stages)
