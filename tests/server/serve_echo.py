"""Runs the echo service as a process; tells its addresses on standard output, and what its handlers did.

python -m tests.server.serve_echo FOLDER [NAME=VALUE...]
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.server.app import App
from bedplate.server.lifecycle import run
from bedplate.server.service import ServiceType
from bedplate.settings import Settings
from bedplate.testing.serve import KEY, TENANT, TestKeys
from tests.protos import echo


class Working(echo.Handlers):
    """Handlers that take a moment, and write down what they began and ended."""

    async def _answer(self, request: Any, call: Any) -> Any:
        print("began", request.text, flush=True)
        await asyncio.sleep(0.01)  # the work itself: there must be calls in flight
        if request.text.startswith("long"):
            await asyncio.sleep(3600)
        answer = await super()._answer(request, call)
        print("ended", request.text, flush=True)
        return answer


def main() -> int:
    folder, *given = sys.argv[1:]
    settings = Settings(
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        data_dir=Path(folder),
        log_file=str(Path(folder) / "log"),
        **dict(pair.split("=", 1) for pair in given),
    )
    keys = TestKeys({KEY: Principal("key:test", TENANT, frozenset({"echo.read"}))})
    app = App(settings, [ServiceType("echo", lambda _: echo.service(Working()))], authenticator=keys)
    return run(app, on_ready=lambda: print("ready", app.grpc_address, app.http_address, flush=True))


if __name__ == "__main__":
    sys.exit(main())
