"""Services by noun."""

import pytest

from bedplate.services.registry import NAMES, UnknownServiceError, contract, load, load_all


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
