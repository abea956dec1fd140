"""Typed clients of contracts that this repository does not know."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bedplate.client import AsyncClient, Client
from bedplate.client.errors import NotFound
from bedplate.errors import Kind, Refusal
from bedplate.generate.python_clients import module_path
from bedplate.server.service import Service
from bedplate.testing.serve import serve
from bedplate.transport.local import LocalChannel

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("of", "path"),
    [
        ("acme.greeter.v1", "acme/clients/greeter.py"),
        ("acme.greeter.v2", "acme/clients/greeter_v2.py"),
        ("acme.greeter.v1beta1", "acme/clients/greeter_v1beta1.py"),
        ("acme.shop.orders.v1", "acme/clients/shop_orders.py"),
        ("acme.greeter", "acme/clients/greeter.py"),
        ("greeter", "greeter/clients/greeter.py"),
        ("greeter.v1", "greeter/clients/greeter.py"),
        ("bedplate.ledger.v1", "bedplate/clients/ledger.py"),
    ],
)
def test_each_package_has_its_module(of: str, path: str) -> None:
    assert module_path(of) == path


def test_only_the_wanted_packages_are_written(generated: Path) -> None:
    clients = {path.relative_to(generated).as_posix() for path in generated.rglob("clients/*.py")}
    configs = {path.name for path in (generated / "service_config").iterdir()}

    assert clients == {"python/acme/clients/__init__.py", "python/acme/clients/greeter.py"}
    assert configs == {
        "acme.greeter.v1.GreeterService.json",
        "acme.greeter.v1.GreeterService.c-core.json",
    }


def test_the_code_is_as_ruff_wants_it(generated: Path) -> None:
    clients = generated / "python" / "acme" / "clients"
    # How imports are sorted depends on whose project it is.
    for arguments in (["check", "--ignore", "I001"], ["format", "--diff"]):
        ended = subprocess.run(
            [BIN / "ruff", *arguments, "--no-cache", "--config", ROOT / "pyproject.toml", clients],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture
def clients(package: Path) -> Any:
    """The generated module."""
    return importlib.import_module("acme.clients.greeter")


@pytest.fixture
def pb2(package: Path) -> Any:
    """The stranger's messages."""
    return importlib.import_module("acme.greeter.v1.greeter_pb2")


class Greeter:
    """Answers with the request."""

    def __init__(self, pb2: Any) -> None:
        self.pb2 = pb2
        self.seen: list[Any] = []

    async def Greet(self, request: Any, call: Any) -> Any:
        if request.name == "nobody":
            raise Refusal(Kind.NOT_FOUND, "NAME_UNKNOWN", "There is nobody of that name.")
        self.seen.append(request)
        return self.pb2.GreetResponse(text=f"Hello {request.name}")

    async def ListGreetings(self, request: Any, call: Any) -> Any:
        start = int(request.page_token or 0)
        greetings = [str(number) for number in range(start, start + 2)]
        return self.pb2.ListGreetingsResponse(
            greetings=greetings, next_page_token=str(start + 2) if start < 4 else ""
        )

    async def ListBoth(self, request: Any, call: Any) -> Any:
        return self.pb2.ListBothResponse(a=["a"], b=["b"])

    async def WatchHTTPGreetings(self, request: Any, call: Any) -> Any:
        for number in range(3):
            yield self.pb2.GreetResponse(text=f"{request.name} {number}")

    async def GreetAll(self, requests: Any, call: Any) -> Any:
        return self.pb2.GreetResponse(text=" ".join([request.name async for request in requests]))

    async def Talk(self, requests: Any, call: Any) -> Any:
        async for request in requests:
            yield self.pb2.GreetResponse(text=request.name)

    async def Ping(self, request: Any, call: Any) -> Any:
        return self.pb2.PingResponse()


async def test_every_kind_of_call_works(clients: Any, pb2: Any) -> None:
    service = Service("greeter", pb2.DESCRIPTOR.services_by_name["GreeterService"], Greeter(pb2))
    requests = [pb2.GreetRequest(name=name) for name in "ab"]
    async with serve([service]) as served:
        for target in (served.grpc_address, LocalChannel(served.app.methods)):
            async with clients.AsyncGreeterClient(target) as client:
                assert isinstance(client, AsyncClient)
                assert (await client.greet(name="Ada")).text == "Hello Ada"
                assert (await client.greet(pb2.GreetRequest(name="Bob"))).text == "Hello Bob"
                assert [text async for text in client.list_greetings(page_size=2)] == list("012345")
                assert list((await client.list_both()).a) == ["a"]
                watched = [answer.text async for answer in client.watch_http_greetings(name="a")]
                assert watched == ["a 0", "a 1", "a 2"]
                assert (await client.greet_all(requests)).text == "a b"
                assert [answer.text async for answer in client.talk(requests)] == ["a", "b"]
                assert await client.ping() == pb2.PingResponse()
                with pytest.raises(NotFound) as refused:
                    await client.greet(name="nobody")
                assert (refused.value.reason, refused.value.domain) == ("NAME_UNKNOWN", "acme.greeter.v1")


async def test_every_field_can_be_given_by_name(clients: Any, pb2: Any, package: Path) -> None:
    names = importlib.import_module("acme.names.v1.words_pb2")
    own = importlib.import_module("acme.greeter.v1.words_pb2")
    greeter = Greeter(pb2)
    service = Service("greeter", pb2.DESCRIPTOR.services_by_name["GreeterService"], greeter)
    nested = pb2.GreetRequest.Nested(word="w")
    async with serve([service]) as served, clients.AsyncGreeterClient(served.grpc_address) as client:
        await client.greet(
            name="n",
            from_="f",
            class_="c",
            request_="r",
            timeout_s_=1.5,
            fields_=["x", "y"],
            self_="s",
            mood=pb2.MOOD_GOOD,
            moods=[pb2.MOOD_GOOD],
            nested_by_name={"a": nested},
            nested=nested,
            words=names.Words(words=["w"]),
            own_words=own.Words(words=["o"]),
            time=Timestamp(seconds=1),
            number=0,
            loud=False,
            response_="p",
            timeout_s=2,
        )

    [seen] = greeter.seen
    assert {field.name for field, _ in seen.ListFields()} | {"number", "loud"} == set(
        pb2.GreetRequest.DESCRIPTOR.fields_by_name
    ) - {"raw"}
    assert getattr(seen, "from") == "f"
    # Left out and zero are not the same where the contract tells them apart.
    assert seen.WhichOneof("either") == "number"
    assert seen.HasField("loud")


def test_both_clients_have_the_same_methods_and_parameters(clients: Any) -> None:
    def shape(of: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(of).items()
            if inspect.isfunction(method)
        }

    assert issubclass(clients.GreeterClient, Client)
    assert shape(clients.AsyncGreeterClient) == shape(clients.GreeterClient)
    assert list(shape(clients.GreeterClient)) == [
        "greet",
        "list_greetings",
        "list_both",
        "watch_http_greetings",
        "greet_all",
        "talk",
        "ping",
    ]


def test_comments_of_the_contract_become_docstrings(clients: Any) -> None:
    assert (clients.GreeterClient.__doc__ or "").startswith(
        'Greets.\n    Says "hello" in \\"many\\" ways; a \\ is a backslash.'
    )
    text = inspect.getdoc(clients.GreeterClient.greet) or ""
    assert text.startswith("Greets one. Refuses with NOT_FOUND NAME_UNKNOWN.")
    assert "timeout_s: How long it may take, seconds: 3 when left out, 7 at most" in " ".join(text.split())


PROGRAM = """
from typing import assert_type
from bedplate.client import AsyncPages, AsyncStream, Pages
from bedplate.clients.ledger import AsyncLedgerClient, LedgerClient
from bedplate.ledger.v1 import ledger_pb2 as pb

def plain(client: LedgerClient) -> None:
    assert_type(client.get_ledger(ledger_id="a"), pb.GetLedgerResponse)
    assert_type(client.list_accounts(ledger_id="a"), Pages[pb.Account, pb.ListAccountsResponse])
    for account in client.list_accounts(types=[pb.ACCOUNT_TYPE_ASSET]):
        assert_type(account, pb.Account)
    for entry in client.stream_entries(ledger_id="a"):
        assert_type(entry, pb.StreamEntriesResponse)
    with client as same:
        assert_type(same, LedgerClient)
    client.get_ledger(ledger_id=5)  # WRONG
    client.get_ledger(ledger="a")  # WRONG
    client.get_ledger(pb.GetAccountRequest())  # WRONG
    client.get_ledger(ledger_id="a").ledger_id  # WRONG

async def asynchronous(client: AsyncLedgerClient) -> None:
    assert_type(await client.get_ledger(ledger_id="a"), pb.GetLedgerResponse)
    assert_type(client.list_accounts(), AsyncPages[pb.Account, pb.ListAccountsResponse])
    assert_type(client.stream_entries(), AsyncStream[pb.StreamEntriesResponse])
    async for account in client.list_accounts(ledger_id="a"):
        assert_type(account, pb.Account)
    async with client as same:
        assert_type(same, AsyncLedgerClient)
"""


def test_a_type_checker_knows_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    wrong = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if "# WRONG" in line}

    ended = subprocess.run(
        [BIN / "mypy", "--config-file", ROOT / "pyproject.toml", "--no-error-summary", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=110,
    )

    lines = [line for line in ended.stdout.splitlines() if ": error:" in line]
    assert {int(line.split(":")[1]) for line in lines} == wrong, ended.stdout
