"""No call leaves without a deadline, and none gets more than its caller has left."""

import asyncio
from dataclasses import replace

import pytest

from bedplate.client import wrap
from bedplate.client.deadline import HOP_MARGIN_S, timeout_s
from bedplate.client.errors import DeadlineExceeded
from bedplate.contract.policy import MethodPolicy, resolve
from bedplate.contract.promises import DeadlineMode
from bedplate.testing.serve import KEY, Served
from bedplate.transport.local import LocalChannel
from tests.client.conftest import working
from tests.client.echo_client import AsyncEchoClient
from tests.protos import echo

# How much later a server may see a deadline than the caller set it: gRPC rounds
# up on the wire, and time passes on the way.
LATE_S = 0.3


async def seen_s(client: AsyncEchoClient, handlers: echo.Handlers, timeout_s: float | None) -> float:
    """How long the server believes that a call may take, seconds."""
    seen: list[float] = []

    async def look(call: echo.Any) -> None:
        seen.append(call.remaining_s())

    handlers.actions["look"] = look
    await client.echo(text="look", timeout_s=timeout_s)
    return seen[0]


@pytest.mark.parametrize(
    ("timeout_s", "expected_s"),
    [(None, 5.0), (2.0, 2.0), (29.0, 29.0), (30.0, 30.0), (31.0, 30.0), (float("inf"), 30.0)],
)
async def test_a_call_may_take_what_the_caller_asks_for_within_the_policy(
    client: AsyncEchoClient, handlers: echo.Handlers, timeout_s: float | None, expected_s: float
) -> None:
    seen = await seen_s(client, handlers, timeout_s)

    assert expected_s - LATE_S < seen <= expected_s + 0.01


async def test_a_call_within_a_call_gets_less_than_what_that_has_left(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    with working(1.5):
        seen = await seen_s(client, handlers, 20.0)

    # 10 ms: what gRPC adds by rounding.
    assert 1.5 - LATE_S < seen <= 1.5 - HOP_MARGIN_S + 0.01


async def test_each_hop_of_a_chain_has_less_time_than_the_one_before(
    served: Served, client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    deadlines: list[float] = []
    channel = wrap(LocalChannel(served.app.methods), echo.SERVICE, forward_credential=True)
    inner = AsyncEchoClient(channel)

    def hop(following: str) -> echo.Action:
        async def act(call: echo.Any) -> None:
            deadlines.append(call.deadline)
            if following:
                await inner.echo(text=following)

        return act

    handlers.actions = {"one": hop("two"), "two": hop("three"), "three": hop("")}

    await client.echo(text="one", timeout_s=2.0)

    assert len(deadlines) == 3
    assert deadlines[0] > deadlines[1] > deadlines[2]


@pytest.mark.parametrize("left_s", [-1.0, 0.0, 0.0005])
async def test_a_call_for_which_no_time_is_left_is_refused_without_asking_the_server(
    client: AsyncEchoClient, handlers: echo.Handlers, left_s: float
) -> None:
    with working(left_s), pytest.raises(DeadlineExceeded) as refused:
        await client.echo(text="late")

    assert (refused.value.reason, refused.value.domain) == ("DEADLINE_EXCEEDED", "bedplate")
    assert handlers.entered == []


async def test_a_stream_for_which_no_time_is_left_is_refused_too(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    with working(0.0), pytest.raises(DeadlineExceeded):
        await anext(client.repeat(text="late", times=1))


async def test_a_timeout_that_is_no_number_is_refused(client: AsyncEchoClient) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        await client.echo(text="x", timeout_s=float("nan"))


async def test_a_call_that_takes_too_long_ends_on_both_sides(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["held"] = echo.Hold()

    with pytest.raises(DeadlineExceeded):
        await client.echo(text="held", timeout_s=0.2)

    assert hold.reached.is_set()
    async with asyncio.timeout(2):
        while "held" not in handlers.left:
            await asyncio.sleep(0)


async def test_plain_stubs_on_a_bedplate_channel_get_deadlines_too(
    served: Served, handlers: echo.Handlers
) -> None:
    from bedplate.client import connect

    seen: list[float] = []

    async def look(call: echo.Any) -> None:
        seen.append(call.remaining_s())

    handlers.actions["look"] = look
    async with connect(served.grpc_address, echo.SERVICE, key=KEY) as channel:
        stub = channel.unary_unary(
            "/tests.echo.v1.EchoService/Echo",
            echo.EchoRequest.SerializeToString,
            echo.EchoResponse.FromString,
        )
        await stub(echo.EchoRequest(text="look"))

    assert 5.0 - LATE_S < seen[0] <= 5.01


def policy_of(mode: str) -> MethodPolicy:
    """A method of 1 s, at most 2 s."""
    policy = resolve(echo.SERVICE.methods_by_name["Echo"])
    return replace(
        policy, deadline_default_s=1.0, deadline_max_s=2.0, deadline_mode=getattr(DeadlineMode, mode)
    )


@pytest.mark.parametrize("mode", ["OBSERVE", "PROPAGATE"])
def test_a_deadline_that_is_not_kept_yet_ends_no_call_at_its_caller_either(mode: str) -> None:
    policy = policy_of(mode)

    assert timeout_s(policy, None) is None
    assert timeout_s(policy, 9.0) == 9.0
    with working(3.0):
        left_s = timeout_s(policy, None)

    assert left_s is not None
    assert 2.0 < left_s < 3.0


def test_a_call_that_has_no_deadline_to_hand_on_asks_for_what_the_policy_says() -> None:
    with working(float("inf")):
        assert timeout_s(policy_of("ENFORCE"), None) == 1.0
        assert timeout_s(policy_of("OBSERVE"), None) is None
