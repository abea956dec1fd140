"""Bugs of the gateway itself: whoever called is answered, and nothing of them is told."""

import json
from typing import Any

import pytest

from bedplate.gateway.app import Gateway
from bedplate.gateway.beside.order import FEATURES
from bedplate.gateway.endpoint import Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.gateway.pages import pages
from tests.gateway import shop
from tests.gateway.http_door import Open
from tests.gateway.wire import Wire, request

SECRET = "hunter2 at /srv/gateway.py"


def break_it(served: Open) -> None:
    """Put a gateway in place whose last hook has a bug."""

    def always(request: Request, response: Response) -> None:
        raise ValueError(SECRET)

    methods = shop.methods(served.handlers, served.telemetry, served.door.settings, served.gate)
    features: Any = (*FEATURES, lambda endpoint: Feature("broken", always=always))
    own = pages(served.telemetry, lambda: True)
    served.door.gateway = Gateway(methods.values(), served.telemetry, pages=own, features=features)


@pytest.mark.parametrize("target", ["/v1/things/a", "/v1/things/a?unknown=1", "/v1/stream?limit=1"])
async def test_a_bug_of_the_gateway_is_answered_and_its_connection_lives_on(
    served: Open, target: str
) -> None:
    break_it(served)
    async with Wire(served.address) as wire:
        reply = await wire.call("GET", target)
        after = await wire.call("GET", "/healthz")

    assert (reply.status, reply.json["reason"], after.status) == (500, "INTERNAL", 200)
    assert "hunter2" not in reply.body.decode()
    lines = [json.loads(line) for line in served.logged().splitlines()]
    assert any(line.get("error_id") == reply.json["error_id"] and line["level"] == "error" for line in lines)


async def test_a_bug_in_the_head_of_a_request_is_answered(served: Open) -> None:
    break_it(served)
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=1", grpc_timeout="soon"))
        assert (await wire.reply()).status == 500
