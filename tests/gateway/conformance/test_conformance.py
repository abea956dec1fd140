"""Every case of the suite holds for every target of ours."""

import pytest

from tests.gateway.conformance.cases import Case, read
from tests.gateway.conformance.run import Run, show

TARGETS = ("bedplate", "elsewhere-bedplate", "elsewhere-grpc")
CASES = read()


@pytest.mark.parametrize(
    ("target", "case"),
    [
        pytest.param(target, case, id=f"{target}-{case.id}")
        for target in TARGETS
        for case in CASES
        if case.holds_for(target)
    ],
)
def test_the_gateway_answers_as_the_case_says(targets, target: str, case: Case):
    found = Run(targets.get(target), case).failures()

    assert found == [], "\n".join(map(show, case.exchanges))
