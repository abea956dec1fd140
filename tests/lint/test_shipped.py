"""What this project itself promises holds against its own rules."""

import time
from pathlib import Path

import pytest

from bedplate.lint.breaking.compare import compare
from bedplate.lint.check import check
from bedplate.lint.compile import from_folder
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Place
from bedplate.lint.rule import Limits
from bedplate.lint.suppress import Allowance
from bedplate.project import find_project

ROOT = Path(__file__).parents[2]
LIMITS = Limits(today="2026-11-22")


@pytest.fixture(scope="module")
def shipped() -> Contract:
    return from_folder(ROOT / "protos", shown="protos")


def test_nothing_is_found_in_the_contracts_that_are_shipped(shipped):
    project = find_project(ROOT)
    assert project is not None
    allowances = [
        Allowance(one.code, one.places, Place("pyproject.toml"), one.reason) for one in project.check.allow
    ]

    findings = check(shipped, LIMITS, allowances)

    assert len(shipped.methods) > 20
    assert [(str(finding.place), finding.code, finding.sentence) for finding in findings] == []


def test_what_the_project_allows_is_what_is_found_without_it(shipped):
    project = find_project(ROOT)
    assert project is not None

    findings = check(shipped, LIMITS)

    assert {(finding.code, finding.element) for finding in findings} == {
        (one.code, place) for one in project.check.allow for place in one.places
    }


def test_a_balance_says_that_it_asks_for_rates(shipped):
    balance = next(method for method in shipped.methods if method.name.endswith("/GetBalance"))

    assert balance.policy is not None
    assert balance.policy.calls == (("bedplate.rates.v1.RatesService/Convert", 1),)


def test_both_take_less_than_two_seconds(shipped):
    """Three times that is allowed for, on a machine that does other things."""
    started = time.perf_counter()

    contract = from_folder(ROOT / "protos", shown="protos")
    check(contract, LIMITS)
    compare(shipped, contract)

    assert time.perf_counter() - started < 6
