"""Operators see and tighten policies over a real channel, and what they do stays on record."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from bedplate.admin.v1 import admin_pb2 as pb
from bedplate.auth.principal import Principal
from bedplate.client.errors import AlreadyExists, CallError, NotFound, PermissionDenied, Unavailable
from bedplate.clients.admin import AsyncAdminClient
from bedplate.clients.rates import AsyncRatesClient
from bedplate.clock import now_us
from bedplate.records.overrides import StoredOverride, insert
from bedplate.services.admin.service import SERVICE as ADMIN
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.serve import KEY, OTHER_KEY, Served, serve
from bedplate.v1 import policy_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICE = "bedplate.rates.v1.RatesService"
LIST = f"{SERVICE}/ListRates"
PLAIN = "plain-key"
PRINCIPALS = {PLAIN: Principal("key:plain", "tenant-a", frozenset({"rates.read"}))}
OFF = policy_pb2.MethodPolicy(rollout=policy_pb2.RolloutPolicy(percent=0))
HOUR = Duration(seconds=3600)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    async with serve([RATES, ADMIN], principals=PRINCIPALS, drain_refuse_s=0.1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(served: Served) -> AsyncIterator[AsyncAdminClient]:
    """An operator, and no overrides in the end."""
    async with AsyncAdminClient(served.grpc_address, key=KEY) as client:
        yield client
        async for each in client.list_overrides():
            if each.active:
                await client.clear_override(override_id=each.override_id)


@pytest_asyncio.fixture(loop_scope="module")
async def rates(served: Served) -> AsyncIterator[AsyncRatesClient]:
    async with AsyncRatesClient(served.grpc_address, key=PLAIN) as client:
        yield client


async def listed(rates: AsyncRatesClient) -> str:
    """Why rates are not listed; `OK` when they are."""
    try:
        await anext(aiter(rates.list_rates(timeout_s=0.5)), None)
    except CallError as error:
        return error.reason
    return "OK"


def override(options: policy_pb2.MethodPolicy = OFF, *, id: str = "", target: str = LIST) -> pb.Override:
    return pb.Override(override_id=id, target=target, options=options, note="a fault upstream")


async def test_a_method_is_switched_off_and_on_again(admin: AsyncAdminClient, rates: AsyncRatesClient):
    made = (await admin.set_override(override=override(), duration=HOUR)).override
    off = await listed(rates)
    await admin.clear_override(override_id=made.override_id)

    assert (off, await listed(rates)) == ("METHOD_DISABLED", "OK")
    assert (made.creator, made.active, made.note) == (f"key:{KEY}", True, "a fault upstream")
    assert made.expire_time.seconds - made.create_time.seconds == 3600


async def test_the_policy_in_force_tells_the_override(admin: AsyncAdminClient):
    tight = policy_pb2.MethodPolicy(deadline=policy_pb2.DeadlinePolicy(max=Duration(seconds=1)))
    await admin.set_override(override=override(tight, id="short", target=SERVICE), duration=HOUR)

    values = {each.option: each for each in (await admin.explain_policy(method=LIST)).values}

    assert (values["deadline.max"].value, values["deadline.max"].source) == ("1 s", "override short")
    assert values["deadline.max"].change == "policy file or override: shorten it; contract: anything"
    assert values["auth.all_scopes"].source == "method"


async def test_what_loosens_is_refused_with_the_line_that_forbids_it(admin: AsyncAdminClient):
    loose = policy_pb2.MethodPolicy(deadline=policy_pb2.DeadlinePolicy(max=Duration(seconds=3000)))

    with pytest.raises(CallError) as refused:
        await admin.set_override(override=override(loose), duration=HOUR)

    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "OVERRIDE_REFUSED")
    assert refused.value.facts["forbidden_by"].startswith("deadline.max: ")


async def test_an_id_stands_for_one_override(admin: AsyncAdminClient):
    await admin.set_override(override=override(id="one"), duration=HOUR)
    again = await admin.set_override(override=override(id="one"), duration=HOUR)
    with pytest.raises(AlreadyExists) as refused:
        await admin.set_override(override=override(id="one", target=SERVICE), duration=HOUR)

    assert again.override.override_id == "one"
    assert refused.value.reason == "OVERRIDE_EXISTS"


async def test_all_that_were_set_stay_listed_page_by_page(admin: AsyncAdminClient):
    for number in range(3):
        await admin.set_override(override=override(id=f"listed-{number}"), duration=HOUR)
        await admin.clear_override(override_id=f"listed-{number}")

    found = [each async for each in admin.list_overrides(page_size=1)]

    mine = [each for each in found if each.override_id.startswith("listed-")]
    assert [each.override_id for each in mine] == ["listed-0", "listed-1", "listed-2"]
    assert {(each.clearer, each.active) for each in mine} == {(f"key:{KEY}", False)}


@pytest.mark.parametrize(
    "target", ["bedplate.admin.v1.AdminService", "bedplate.admin.v1.AdminService/SetOverride"]
)
async def test_the_admin_service_cannot_be_switched_off(admin: AsyncAdminClient, target: str):
    with pytest.raises(CallError) as refused:
        await admin.set_override(override=override(target=target), duration=HOUR)

    assert refused.value.reason == "INVALID_REQUEST"


async def test_what_there_is_none_of_is_not_found(admin: AsyncAdminClient):
    with pytest.raises(NotFound) as no_override:
        await admin.clear_override(override_id="nothing")
    with pytest.raises(NotFound) as no_method:
        await admin.explain_policy(method="a.B/C")

    assert (no_override.value.reason, no_method.value.reason) == ("OVERRIDE_NOT_FOUND", "TARGET_NOT_FOUND")


async def test_others_may_not(served: Served):
    async with AsyncAdminClient(served.grpc_address, key=PLAIN) as client:
        with pytest.raises(PermissionDenied):
            await client.set_override(override=override(), duration=HOUR)
        with pytest.raises(PermissionDenied):
            await anext(aiter(client.list_overrides()))


async def test_who_set_and_cleared_it_is_on_record(admin: AsyncAdminClient, served: Served):
    await admin.set_override(override=override(id="recorded"), duration=HOUR)
    await admin.clear_override(override_id="recorded")

    found = [each async for each in admin.list_audit_records() if "recorded" in each.request_json]
    async with AsyncAdminClient(served.grpc_address, key=OTHER_KEY) as other:
        elsewhere = [each async for each in other.list_audit_records()]

    assert [(each.method.rpartition("/")[2], each.code, each.principal) for each in found] == [
        ("SetOverride", "OK", f"key:{KEY}"),
        ("ClearOverride", "OK", f"key:{KEY}"),
    ]
    assert elsewhere == []


async def test_relations_are_granted_and_taken_away_within_a_tenant(admin: AsyncAdminClient, served: Served):
    relation = pb.Relation(object_type="account", object_id="a1", relation="viewer", principal="key:ann")
    for _ in range(2):
        await admin.grant_relation(relation=relation)
    held = served.app.database

    def count(connection) -> list[tuple[str, str]]:
        return [
            tuple(row)
            for row in connection.exec_driver_sql("SELECT tenant_id, principal_id FROM bedplate_relations")
        ]

    assert await held.read(count) == [("tenant-a", "key:ann")]
    async with AsyncAdminClient(served.grpc_address, key=OTHER_KEY) as other:
        await other.revoke_relation(relation=relation)
    assert len(await held.read(count)) == 1
    for _ in range(2):
        await admin.revoke_relation(relation=relation)
    assert await held.read(count) == []


async def test_answers_of_a_method_are_forgotten(admin: AsyncAdminClient):
    await admin.invalidate_cache(method=LIST)

    with pytest.raises(NotFound):
        await admin.invalidate_cache(method="a.B/C")


async def test_a_caller_that_is_refused_for_a_switch_is_told_when_to_call_again(
    admin: AsyncAdminClient, rates: AsyncRatesClient
):
    await admin.set_override(override=override(id="retry"), duration=HOUR)

    with pytest.raises(Unavailable) as refused:
        await anext(aiter(rates.list_rates(timeout_s=0.5)), None)

    assert refused.value.retry_after_s == 30


async def test_an_override_of_a_later_version_is_listed_with_what_is_known_of_it(
    served: Served, admin: AsyncAdminClient
):
    text = '{"rollout": {"percent": 5.0}, "fromNextYear": {"on": true}}'
    later = StoredOverride("later", LIST, text, "", "key:op", now_us(), now_us() + 10**9)
    await served.app.database.transact(lambda connection: insert(connection, later))

    listed = [each async for each in admin.list_overrides() if each.override_id == "later"]

    assert [each.options.rollout.percent for each in listed] == [5.0]
