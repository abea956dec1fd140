"""Services by noun."""

import sys

import pytest

from bedplate.project import ProjectError
from bedplate.services.registry import (
    NAMES,
    UnknownServiceError,
    all_names,
    contract,
    contracts_of,
    load,
    load_all,
    own_names,
)

PROJECT = """
[project.entry-points."bedplate.services"]
{noun} = "acme.services.{noun}.service:SERVICE"
[tool.bedplate]
"""


@pytest.mark.parametrize("noun", NAMES)
def test_a_service_is_found_with_its_contract_and_its_migrations(noun):
    found = load(noun)

    assert found.name == noun
    assert contract(noun).full_name.startswith(f"bedplate.{noun}.v1.")
    assert found.schema is not None
    assert (found.schema / "env.py").is_file()


def test_all_are_loaded_in_the_order_of_their_names():
    assert tuple(kind.name for kind in load_all()) == NAMES


@pytest.mark.parametrize("ask", [load, contract])
def test_an_unknown_service_is_refused_with_those_that_there_are(ask):
    with pytest.raises(UnknownServiceError, match=r"There is no service nope\. There are: ledger, rates\."):
        ask("nope")


def test_calls_to_a_service_that_runs_elsewhere_know_its_promises():
    [found] = contracts_of("rates")

    assert found.full_name == "bedplate.rates.v1.RatesService"
    assert contracts_of("nope") == []


def test_without_a_project_those_that_ship_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert own_names() == all_names() == NAMES


def test_a_projects_own_run_and_ours_are_there_to_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # A package of its own: one that another test imported would be found, generated or not.
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(noun="porter").replace("acme", "acme_bare"))

    assert own_names() == ("porter",)
    assert all_names() == ("porter", *NAMES)
    with pytest.raises(ProjectError, match="Run: bedplate generate"):
        contract("porter")


def test_a_service_that_calls_itself_otherwise_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(noun="greeter").replace("acme", "acme_renamed"))
    folder = tmp_path / "services" / "acme_renamed" / "services" / "greeter"
    folder.mkdir(parents=True)
    (folder / "service.py").write_text(
        "from bedplate.server.service import ServiceType\nSERVICE = ServiceType('hello', build=print)\n"
    )

    with pytest.raises(ProjectError, match='has the name "hello"; it must be "greeter"'):
        load("greeter")


def test_a_noun_of_ours_is_not_taken_by_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(noun="ledger"))

    with pytest.raises(ProjectError, match="bedplate ships a service ledger; give yours another noun"):
        own_names()
