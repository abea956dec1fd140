"""The synchronous client: threads, loops, signals, forks, the end of a process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bedplate.client import bridge
from bedplate.client.errors import DeadlineExceeded, NotFound
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.client.conftest import working
from tests.client.echo_client import EchoClient
from tests.protos import echo

ROOT = Path(__file__).parent.parent.parent


class Background:
    """A server in a loop of its own on another thread."""

    def __init__(self) -> None:
        self.handlers = echo.Handlers()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._serve = serve([echo.service(self.handlers)])
        self.served = self.wait(self._serve.__aenter__())

    def wait(self, coroutine: Any) -> Any:
        """Run it there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def close(self) -> None:
        """Stop."""
        self.wait(self._serve.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    """A server on another thread."""
    made = Background()
    yield made
    made.close()


def test_a_call_answers_and_fails_as_the_asynchronous_one_does(background: Background) -> None:
    with EchoClient(background.served.grpc_address, key=KEY) as client:
        assert client.echo(text="a").text == "a"
        assert client.call("Echo", echo.EchoRequest(text="b")).text == "b"
        with pytest.raises(NotFound) as refused:
            client.echo(text="nobody")

    assert refused.value.reason == "ECHO_NOT_FOUND"


def test_many_threads_may_use_one_client(background: Background) -> None:
    with EchoClient(background.served.grpc_address, key=KEY) as client, ThreadPoolExecutor(16) as threads:
        texts = [str(number) for number in range(400)]

        assert [answer.text for answer in threads.map(lambda text: client.echo(text=text), texts)] == texts


def test_all_clients_of_a_process_share_one_thread(background: Background) -> None:
    clients = [EchoClient(background.served.grpc_address, key=KEY) for _ in range(5)]
    for client in clients:
        client.echo(text="a")

    names = [thread.name for thread in threading.enumerate()]
    for client in clients:
        client.close()

    assert names.count("bedplate-client") == 1


async def test_it_works_where_a_loop_runs_already_as_in_a_notebook(background: Background) -> None:
    with EchoClient(background.served.grpc_address, key=KEY) as client:
        assert client.echo(text="a").text == "a"
        assert [answer.text for answer in client.repeat(text="a", times=2)] == ["a 0", "a 1"]


def test_deadline_and_trace_of_the_calling_thread_go_along(background: Background) -> None:
    seen: list[tuple[float, str]] = []

    async def look(call: Any) -> None:
        seen.append((call.remaining_s(), call.trace_id))

    background.handlers.actions["look"] = look
    with EchoClient(background.served.grpc_address, key=KEY) as client:
        with working(1.0, traceparent=f"00-{'c' * 32}-{'d' * 16}-00"):
            client.echo(text="look")
        with working(0.0), pytest.raises(DeadlineExceeded):
            client.echo(text="look")

    [(left_s, trace_id)] = seen
    assert left_s < 1.0
    assert trace_id == "c" * 32


def test_a_client_with_a_local_channel_runs_in_the_loop_of_that_channel(background: Background) -> None:
    async def make() -> LocalChannel:
        return LocalChannel(background.served.app.methods)

    seen: list[Any] = []

    async def look(call: Any) -> None:
        seen.append(asyncio.get_running_loop())

    background.handlers.actions["look"] = look
    client = EchoClient(background.wait(make()), key=KEY)

    assert client.echo(text="look").text == "look"
    assert seen == [background.loop]


def test_a_local_channel_whose_loop_has_ended_is_refused_and_does_not_hang() -> None:
    async def make() -> LocalChannel:
        return LocalChannel({})

    client = EchoClient(asyncio.run(make()))

    with pytest.raises(RuntimeError, match="does not run"):
        client.echo(text="a")


async def test_calling_from_the_loop_that_must_answer_is_refused_and_does_not_hang(served: Served) -> None:
    client = EchoClient(LocalChannel(served.app.methods), key=KEY)

    with pytest.raises(RuntimeError, match="use the Async client"):
        client.echo(text="a")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where the run was started with it ignored, as `nohup` and `&` do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_cancels_what_it_waited_for() -> None:
    started, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt() -> None:
        started.wait(5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bridge.shared().run(wait())
    thread.join()

    assert cancelled.wait(5)


def test_a_call_may_take_longer_than_a_waiting_thread_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "LOOK_S", 0.001)

    async def answer() -> str:
        await asyncio.sleep(0.05)
        return "late"

    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise TimeoutError("its own")

    assert bridge.shared().run(answer()) == "late"
    with pytest.raises(TimeoutError, match="its own"):
        bridge.shared().run(fail())


def run_script(text: str, address: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a program that gets the server's address as its argument."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text, address],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def test_a_program_that_never_closes_its_client_ends_without_a_word(background: Background) -> None:
    ended = run_script(
        "import sys\n"
        "from tests.client.echo_client import EchoClient\n"
        f"client = EchoClient(sys.argv[1], key={KEY!r})\n"
        "print(client.echo(text='a').text)\n"
        "stream = client.repeat(text='a', times=1000)\n"
        "print(next(stream).text)\n",
        background.served.grpc_address,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\na 0\n", "")


def forked(before: str) -> str:
    """A program that forks after `before`; its child calls with the client, and with one of its own."""
    return (
        "import os, sys\n"
        "from tests.client.echo_client import EchoClient\n"
        f"client = EchoClient(sys.argv[1], key={KEY!r})\n"
        f"{before}\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    for caller in (client, EchoClient(sys.argv[1], key={KEY!r})):\n"
        "        try:\n"
        "            print(caller.echo(text='child').text, flush=True)\n"
        "        except RuntimeError as error:\n"
        "            print(error, flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(client.echo(text='parent').text, flush=True)\n"
    )


def test_after_a_fork_a_child_needs_a_client_of_its_own(background: Background) -> None:
    ended = run_script(forked(""), background.served.grpc_address)

    assert ended.stdout.splitlines() == [
        "the client was made before the process forked; make one in each process",
        "child",
        "parent",
    ], ended.stderr


def test_after_a_call_and_a_fork_a_child_is_told_and_does_not_hang(background: Background) -> None:
    ended = run_script(forked("client.echo(text='first')"), background.served.grpc_address)

    lines = ended.stdout.splitlines()
    assert lines[0] == "the client was made before the process forked; make one in each process"
    assert "fork before the first call" in lines[1]
    assert lines[2] == "parent"
