"""What is tested on asyncio's own loop holds on the loop of the process too."""

import asyncio
import inspect

import pytest
import uvloop

from tests.transport import test_http_end, test_http_limits, test_http_syntax

SCENARIOS = [
    function
    for module in (test_http_end, test_http_limits, test_http_syntax)
    for name, function in vars(module).items()
    if name.startswith("test_") and set(inspect.signature(function).parameters) <= {"monkeypatch"}
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_it_holds_on_uvloop(scenario, monkeypatch):
    wanted = inspect.signature(scenario).parameters
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario(*([monkeypatch] if wanted else [])))
