"""The contract is the one place: an option that changes there changes on every side, and nowhere else."""

from itertools import count
from typing import Any

import grpc
import httpx2 as httpx
import pytest

from bedplate.client.errors import from_rpc_error
from bedplate.contract.service_config import service_config
from bedplate.pipeline.call import Call
from bedplate.policy.explain import explain
from bedplate.server.service import Service
from bedplate.testing.serve import KEY, Served, serve
from tests.protos import add_file, field

BEFORE = """
    idempotency: IDEMPOTENCY_READ_ONLY visibility: VISIBILITY_PUBLIC auth { all_scopes: "x.read" }
    deadline { default { seconds: 4 } max { seconds: 8 } } retry { max_attempts: 2 }
"""
_number = count(1)


class Sides:
    """What every side says of a method with a policy: server, service config, OpenAPI, `why`, reference."""

    def __init__(self, policy: str) -> None:
        package = f"tests.place{next(_number)}.v1"
        file = add_file(
            f'name: "{package}.proto" package: "{package}" dependency: "bedplate/v1/policy.proto"\n'
            'dependency: "google/api/annotations.proto"\n'
            f'message_type {{ name: "Message" {field("text", 1, "string")} }}\n'
            'service { name: "PlaceService" method { name: "Do" '
            f'input_type: ".{package}.Message" output_type: ".{package}.Message" options {{\n'
            f'  [bedplate.v1.policy] {{ {policy} }} [google.api.http] {{ get: "/v1/place" }} }} }} }}'
        )
        self.service = file.services_by_name["PlaceService"]
        self.method = self.service.methods_by_name["Do"]
        self.calls: list[Call] = []

    async def Do(self, request: Any, call: Call) -> Any:
        self.calls.append(call)
        return request

    async def look(self) -> dict[str, Any]:
        """All of it, from a server that runs."""
        async with serve([Service("place", self.service, self)]) as served:
            reason = await self._call(served)
            async with httpx.AsyncClient(base_url=f"http://{served.http_address}") as http:
                page = await http.get("/reference")
                document = (await http.get("/openapi.json")).json()
        assert "/openapi.json" in page.text, "the reference page shows another document"
        operation = document["paths"]["/v1/place"]["get"]
        config = service_config(self.service, timeouts=True)["methodConfig"][0]
        return {
            "server": reason if reason else round(self.calls[0].deadline - self.calls[0].started, 1),
            "service config": {name: config.get(name) for name in ("timeout", "retryPolicy")},
            "openapi": {
                name: value for name, value in operation["x-bedplate-policy"].items() if name != "method"
            },
            "why": {line.option: line.value for line in explain(self.method)},
            "reference": operation["description"],
        }

    async def _call(self, served: Served) -> str:
        channel = grpc.aio.insecure_channel(served.grpc_address)
        made = channel.unary_unary(f"/{self.service.full_name}/Do")
        try:
            await made(b"", metadata=(("authorization", f"Bearer {KEY}"),))
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error).reason
        finally:
            await channel.close()
        return ""


async def test_a_deadline_that_changes_in_the_contract_changes_on_every_side():
    before = await Sides(BEFORE).look()
    after = await Sides(BEFORE.replace("default { seconds: 4 }", "default { seconds: 2 }")).look()

    assert (before["server"], after["server"]) == (4.0, 2.0)
    assert (before["service config"]["timeout"], after["service config"]["timeout"]) == ("4s", "2s")
    assert (before["openapi"]["deadline_default_s"], after["openapi"]["deadline_default_s"]) == (4.0, 2.0)
    assert (before["why"]["deadline.default"], after["why"]["deadline.default"]) == ("4 s", "2 s")
    assert "| `deadline.default` | 4 s |" in before["reference"]
    assert "| `deadline.default` | 2 s |" in after["reference"]
    assert before["openapi"] | {"deadline_default_s": 2.0} == after["openapi"], "something else changed too"


@pytest.mark.parametrize(
    ("more", "reason", "option", "value", "key"),
    [
        ("rollout { percent: 0 }", "METHOD_DISABLED", "rollout.percent", "0", "rollout"),
        (
            'deprecation { since: "2026-01-01" sunset: "2026-01-02" }',
            "METHOD_SUNSET",
            "deprecation.sunset",
            "2026-01-02",
            "deprecation",
        ),
        (
            'auth { all_scopes: "x.read" audiences: "books" }',
            "AUDIENCE_WRONG",
            "auth.audiences",
            "books",
            "audiences",
        ),
        (
            'auth { all_scopes: "x.read" step_up { level: 3 } }',
            "STEP_UP_REQUIRED",
            "auth.step_up.level",
            "3",
            "step_up",
        ),
        (
            'auth { all_scopes: "x.read" relation { field: "text" object_type: "a" relation: "b" } }',
            "RELATION_MISSING",
            "auth.relation.relation",
            "b",
            "relation",
        ),
    ],
)
async def test_what_is_added_to_the_contract_is_kept_and_told(
    more: str, reason: str, option: str, value: str, key: str
):
    policy = BEFORE.replace('auth { all_scopes: "x.read" }', "") if more.startswith("auth") else BEFORE

    after = await Sides(policy + more).look()

    assert after["server"] == reason
    assert after["why"][option] == value
    assert f"| `{option}` | {value} |" in after["reference"]
    assert key in after["openapi"]
