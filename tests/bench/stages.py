"""What each stage of the pipeline costs, measured in process: rows `stage_*`.

A method is compiled with all its stages, with none, and with all but one. The
variants are called in turn, a thousand calls each, in alternating order; a
stage's cost is the median over the rounds of what the whole costs more than the
whole without it. No transport is in it: a call is made and run as a door does,
down to the response message.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bedplate.contract.policy import resolve
from bedplate.data import Database
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method, compile_method
from bedplate.pipeline.failure import FailureMaker
from bedplate.pipeline.order import STAGES
from bedplate.pipeline.stage import CompileStage, OpenGate, Parts
from bedplate.server.parts import make_parts
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Recorder, Telemetry
from bedplate.transport.metadata import Sent
from tests.bench import contract
from tests.bench.servers.bedplate_platform import Handlers, OneKey
from tests.bench.servers.process import KEY

CALLS = 1000
ROUNDS = 15
# What all stages together may cost, us of CPU a call.
LIMIT_US = 40.0

METADATA = (
    ("user-agent", "grpc-python/1.85.1"),
    ("authorization", f"Bearer {KEY}"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
)


class _Bare:
    """Stands for the recorder where nothing is recorded."""

    def begin(self, call: Any) -> None: ...

    def end(self, call: Any, code: str, reason: str, cause: BaseException | None = None) -> None:
        call.ended = time.monotonic()


class Bench:
    """The variants of one method, and how they are called."""

    def __init__(self, folder: Path) -> None:
        self._telemetry = Telemetry(log=LogWriter.open(str(folder / "log.jsonl")))
        self._database = Database.open(f"sqlite:///{folder / 'bench.db'}")
        self._parts: Parts = make_parts(
            Settings(data_dir=folder),
            authenticator=OneKey(),
            gate=OpenGate(),
            telemetry=self._telemetry,
            database=self._database,
            strict=False,
        )
        self._descriptor = contract.SERVICE.methods_by_name["Charge"]
        self._policy = resolve(self._descriptor)
        self._request = contract.request()
        self._payload = self._request.SerializeToString()
        whole = self._method(STAGES)
        self.variants: dict[str, Callable[[], Awaitable[Any]]] = {
            "all": self._caller(whole),
            "none": self._decoded(Handlers()),
            "all_without_recording": self._caller(self._method(STAGES, recorder=_Bare())),
        }
        for stage in STAGES:
            name = stage.__module__.rpartition(".")[2]
            if name in whole.stages and name != "decode":
                self.variants[f"all_without_{name}"] = self._caller(
                    self._method(tuple(one for one in STAGES if one is not stage))
                )

    def _method(self, stages: tuple[CompileStage, ...], recorder: Any = None) -> Method:
        return compile_method(
            self._descriptor,
            self._policy,
            Handlers().Charge,
            parts=self._parts,
            recorder=recorder or Recorder(self._telemetry, self._policy.method),
            failures=FailureMaker({}, domain="bench", strict=False),
            stages=stages,
        )

    def _caller(self, method: Method) -> Callable[[], Awaitable[Any]]:
        payload, principal = self._payload, OneKey().authenticate(KEY)

        async def run() -> Any:
            call = Call(
                method=method.name,
                door="grpc",
                decode=method.decode,
                peer="ipv4:127.0.0.1:1",
                metadata=Sent(METADATA),
                requested_timeout_s=5.0,
                door_cancels=True,
            )
            # What the variants without their stages need.
            call.deadline, call.principal = call.started + 5.0, principal
            return await method.unary(call, payload)

        return run

    def _decoded(self, handlers: Handlers) -> Callable[[], Awaitable[Any]]:
        """The handler behind the decoder that a bare server has too."""
        payload, decode = self._payload, contract.ChargeRequest.FromString
        call = Call(method="", door="grpc", decode=decode)

        async def run() -> Any:
            return await handlers.Charge(decode(payload), call)

        return run

    async def round(self, name: str) -> float:
        """CPU of one call of a variant, us."""
        run = self.variants[name]
        before = time.process_time()
        for _ in range(CALLS):
            await run()
        return (time.process_time() - before) / CALLS * 1e6

    async def close(self) -> None:
        """Close what was opened."""
        await self._parts.answers.close()
        await self._parts.quota.close()
        await self._database.close()
        self._telemetry.log.close()


async def _measure(rounds: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        names = list(bench.variants)
        found: dict[str, list[float]] = {name: [] for name in names}
        for name in names:  # warm up
            await bench.round(name)
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                found[name].append(await bench.round(name))
        await bench.close()
    return found


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """CPU of a call in us: `stage_all`, and `stage_<name>` for each stage and for the recording."""
    found = asyncio.run(_measure(rounds))

    def more(whole: str, part: str) -> float:
        return statistics.median(a - b for a, b in zip(found[whole], found[part], strict=True))

    costs = {"stage_all": more("all", "none")}
    for name in found:
        if name.startswith("all_without_"):
            costs[f"stage_{name.removeprefix('all_without_')}"] = more("all", name)
    return costs


def as_markdown(costs: dict[str, float]) -> str:
    """A table."""
    lines = ["| row | CPU us per call | promised |", "|---|---:|---:|"]
    lines += [
        f"| `{name}` | {cost:.1f} | {f'at most {LIMIT_US:g}' if name == 'stage_all' else ''} |"
        for name, cost in costs.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(measure()))
