"""How long HTTP callers may keep an answer, and who between them and the server may."""

import urllib.error
import urllib.request
from asyncio import to_thread
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.api import annotations_pb2  # noqa: F401
from google.protobuf.message_factory import GetMessageClass

from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.server.service import Service
from bedplate.testing.serve import KEY, Served, serve
from tests.protos import add_file, field

_SCOPE = 'auth { all_scopes: "papers.read" }'
_AGE = "http_max_age { seconds: 30 }"


def _method(name: str, rule: str, policy: str) -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.papers.v1.Paper" '
        'output_type: ".tests.papers.v1.Paper" '
        f"options {{ [google.api.http] {{ {rule} }} [bedplate.v1.policy] "
        f"{{ idempotency: IDEMPOTENCY_READ_ONLY visibility: VISIBILITY_PUBLIC {policy} }} }} }}\n"
    )


FILE = add_file(
    'name: "tests/papers/v1/papers.proto" package: "tests.papers.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'message_type { name: "Paper"\n'
    + field("name", 1, "string")
    + "}\n"
    + 'service { name: "PaperService"\n'
    + _method(
        "Open",
        'get: "/v1/open/{name}"',
        f"auth {{ anonymous: true }} cache {{ scope: CACHE_SCOPE_PUBLIC {_AGE} }}",
    )
    + _method("Public", 'get: "/v1/public/{name}"', f"{_SCOPE} cache {{ scope: CACHE_SCOPE_PUBLIC {_AGE} }}")
    + _method(
        "Own",
        'get: "/v1/own/{name}"',
        f"{_SCOPE} cache {{ scope: CACHE_SCOPE_PRINCIPAL ttl {{ seconds: 9 }} {_AGE} }}",
    )
    + _method(
        "Find", 'post: "/v1/papers:find" body: "*"', f"{_SCOPE} cache {{ scope: CACHE_SCOPE_TENANT {_AGE} }}"
    )
    + _method("Plain", 'get: "/v1/plain/{name}"', _SCOPE)
    + "}\n"
)
SERVICE = FILE.services_by_name["PaperService"]
Paper: Any = GetMessageClass(FILE.message_types_by_name["Paper"])


class Handlers:
    async def Open(self, request: Any, call: Call) -> Any:
        if request.name == "missing":
            raise Refusal(Kind.NOT_FOUND, "OVERRIDE_NOT_FOUND", "There is none.")
        return Paper(name=request.name)

    Public = Own = Find = Plain = Open


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    async with serve([Service("papers", SERVICE, Handlers())]) as running:
        yield running


async def headers(served: Served, path: str, body: bytes | None = None) -> Any:
    def ask() -> Any:
        url = f"http://{served.http_address}{path}"
        given = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, given), timeout=20) as reply:
                return reply.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.headers

    return await to_thread(ask)


@pytest.mark.parametrize(
    ("path", "control", "vary"),
    [
        ("/v1/open/x", "public, max-age=30", None),
        ("/v1/public/x", "private, max-age=30", "authorization"),
        ("/v1/own/x", "private, max-age=30", "authorization"),
        ("/v1/plain/x", "no-store", None),
        ("/v1/open/missing", "no-store", None),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_may_be_kept_as_long_and_by_whom_its_contract_says(
    served: Served, path: str, control: str, vary: str | None
) -> None:
    found = await headers(served, path)

    assert found.get_all("cache-control") == [control]
    assert found["vary"] == vary


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_posted_is_never_kept(served: Served) -> None:
    assert (await headers(served, "/v1/papers:find", b"{}"))["cache-control"] == "no-store"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_kept_answer_says_how_old_it_is(served: Served) -> None:
    await headers(served, "/v1/own/y")

    found = await headers(served, "/v1/own/y")

    assert found["age"] == "0"
    assert found["cache-status"].startswith("bedplate; hit; ttl=")
