"""The worked example of docs/simulator.md, run as the page says."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bedplate.testing.simulate import Sabotage, SimulationFailed, simulate

PAGE = (Path(__file__).parent.parent.parent / "docs" / "simulator.md").read_text()


def block(head: str) -> str:
    found = re.search(rf"^```{re.escape(head)}\n(.*?)^```", PAGE, re.M | re.S)
    assert found, head
    return found[1]


def module(source: str) -> ModuleType:
    made = ModuleType("test_seats")
    exec(compile(source, "test_seats.py", "exec"), made.__dict__)
    return made


@pytest.fixture(scope="module")
def fixed() -> str:
    """The example with the page's line in place of the wrong one."""
    right = block("python fix")
    wrong = right.replace(" FOR UPDATE", "")
    source = block("python test_seats.py")
    assert source.count(wrong) == 1
    return source.replace(wrong, right)


def test_the_example_fails_as_the_page_shows():
    example = module(block("python test_seats.py"))

    with pytest.raises(SimulationFailed) as found:
        example.test_one_guest_gets_the_seat()

    # asyncio's own tasks take other steps in other versions.
    if sys.version_info[:2] == (3, 11):
        assert found.value.seed == 7
        assert str(found.value).strip() == block("text").strip()
    with pytest.raises(SimulationFailed) as again:
        simulate(example.seats, seed=found.value.seed)
    assert str(again.value) == str(found.value)


def test_the_fixed_example_passes_every_seed(fixed):
    example = module(fixed)

    example.test_one_guest_gets_the_seat()
    assert simulate(example.seats, seeds=[7, *range(50)]).seeds == 51


def test_mistakes_that_are_built_in_are_found(fixed):
    opened = "SimulatedDatabase(world, TEMPLATE)"
    assert fixed.count(opened) == 1
    example = module(fixed.replace(opened, "SimulatedDatabase(world, TEMPLATE, sabotage=SABOTAGE)"))

    def seats_with(sabotage: Sabotage):
        example.__dict__["SABOTAGE"] = sabotage
        return example.seats

    names = {
        "pytest": pytest,
        "simulate": simulate,
        "seats_with": seats_with,
        "Sabotage": Sabotage,
        "SimulationFailed": SimulationFailed,
    }
    exec(block("python sabotage"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]

    assert len(tests) == 2
    for test in tests:
        test()
