"""What the cases say of lenient methods is what grpc-gateway answers: it is asked itself."""

import os

import pytest

from tests.built import Missing
from tests.gateway.conformance import peer
from tests.gateway.conformance.cases import Case, read
from tests.gateway.conformance.run import Run, Target, show

NAME = "grpc-gateway"
CASES = read("lenient")
# More would be another mode.
DIFFER_MAX = 10


@pytest.fixture(scope="module")
def grpc_gateway(targets) -> Target:
    """grpc-gateway in front of the plain backend."""
    try:
        peer.program()
    except Missing as why:
        if "CI" in os.environ:
            raise
        pytest.skip(str(why))
    return targets.get(NAME)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in CASES if NAME not in case.differs]
)
def test_lenience_is_what_grpc_gateway_does(grpc_gateway: Target, case: Case):
    found = Run(grpc_gateway, case).failures()

    assert found == [], "\n".join(map(show, case.exchanges))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if NAME in case.differs])
def test_where_we_differ_from_grpc_gateway_it_still_does(grpc_gateway: Target, case: Case):
    found = Run(grpc_gateway, case).failures()

    assert found, "it answers as we do: the case needs no `differs` any more"
    if "status" in case.differs[NAME]:
        assert f"status {case.differs[NAME]['status']} came" in found[0]


def test_the_differences_from_grpc_gateway_are_few_and_have_reasons():
    differ = [case for case in CASES if case.differs]

    assert len(differ) <= DIFFER_MAX
    assert all(case.differs[NAME]["why"] for case in differ)
