"""Every case of the suite holds for every target of ours."""

import pytest

from tests.gateway.conformance.cases import Case, read
from tests.gateway.conformance.run import Run, show

# In the process of the services; and elsewhere, in front of them and of a plain gRPC server.
TARGETS = ("bedplate", "elsewhere-bedplate", "elsewhere-grpc")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in read()])
def test_the_gateway_answers_as_the_case_says(targets, case: Case):
    found = {
        target: Run(targets.get(target), case).failures() for target in TARGETS if case.holds_for(target)
    }

    assert {target: failures for target, failures in found.items() if failures} == {}, "\n".join(
        map(show, case.exchanges)
    )


def test_cases_are_for_targets_that_there_are():
    assert {target for case in read() for target in case.targets} <= set(TARGETS)
