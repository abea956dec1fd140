"""Runs the till as processes that kill themselves on the way of a call, each followed by another.

python -m tests.records.serve_till FOLDER DATABASE_URL

A request whose note is the name of a point is killed there, as a power cut
does. This process only forks: what it has imported need not be loaded again.
It tells the address of each process on standard output.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.server.app import App
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.testing.serve import KEY, TENANT, TestKeys
from tests.records import till
from tests.records.shop import SCOPES

# On the way of a call, in order; between `kept` and `committed` is the commit.
# `answered` is when the response is ready, and `keeping` before a refusal is kept.
POINTS = ("entered", "begun", "written", "kept", "committed", "answered")
STEP_POINTS = ("begun", "between", "written", "committed")
REFUSAL_POINTS = ("begun", "keeping", "answered")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Handlers(till.Handlers):
    """Sells, and dies at the point that the note of a sale names."""

    async def Sell(self, request: Any, call: Any) -> Any:
        self.points = {request.note: die}
        return await super().Sell(request, call)

    async def SellInSteps(self, request: Any, call: Any) -> Any:
        self.points = {request.note: die}
        return await super().SellInSteps(request, call)


def prepare(app: App, made: list[Handlers]) -> None:
    """Die before a refusal is kept, or once the answer is ready."""
    method = app.methods["tests.till.v1.TillService/Sell"]
    outcomes = method._parts.outcomes
    assert outcomes is not None
    apart, unary = outcomes.transact_apart, method.unary

    async def transact_apart(*given: Any, **named: Any) -> Any:
        if "keeping" in made[0].points:
            die()
        return await apart(*given, **named)

    async def answering(*given: Any, **named: Any) -> Any:
        try:
            return await unary(*given, **named)
        finally:
            if "answered" in made[0].points:
                die()

    outcomes.transact_apart = transact_apart  # type: ignore[method-assign]
    method.unary = answering  # type: ignore[method-assign]


async def serve(folder: Path, database_url: str) -> None:
    """Serve until killed."""
    made: list[Any] = []

    def build(context: Any) -> Any:
        made.append(Handlers(context.database))
        return till.Service("till", till.SERVICE, made[0])

    settings = Settings(
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        data_dir=folder,
        database_url=database_url,
        log_file=str(folder / "log"),
    )
    kind = till.ServiceType("till", build, schema=Path(__file__).parent / "schema")
    keys = TestKeys({KEY: Principal("key:test", TENANT, SCOPES)})
    app = App(settings, [kind], authenticator=keys, log=LogWriter.open(settings.log_file))
    await app.start()
    prepare(app, made)
    print(app.grpc_address, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    folder, database_url = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(exist_ok=True)
    child = 0

    def stop(*_: object) -> None:
        os.kill(child, signal.SIGKILL)
        os._exit(0)

    while True:
        child = os.fork()
        if child == 0:
            asyncio.run(serve(folder, database_url))
        signal.signal(signal.SIGTERM, stop)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
