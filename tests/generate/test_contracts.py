"""Comments of our contracts say the refusals of each method; they must not drift from the reasons."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from bedplate.contract.reasons import of_file, platform
from bedplate.generate.descriptors import load
from bedplate.generate.reason_reference import refusals

ROOT = Path(__file__).parent.parent.parent
CONTRACTS = load(ROOT / "generated" / "descriptors" / "bedplate.binpb", ("bedplate",))
SERVICES = list(CONTRACTS.services)

# A code and a reason, as comments write them.
PAIR = re.compile(r"\b([A-Z]+(?:_[A-Z]+)*)\s+([A-Z]+(?:_[A-Z]+)+)\b")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_reason_is_named_by_a_method(service: ServiceDescriptor) -> None:
    reasons = of_file(service.file)

    named = {name for method in service.methods for name in refusals(method, reasons, CONTRACTS)}

    assert set(reasons) == named


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_reason_is_named_with_its_code(service: ServiceDescriptor) -> None:
    reasons = {**platform(), **of_file(service.file)}
    codes = {reason.code for reason in reasons.values()}

    for method in service.methods:
        comment = CONTRACTS.comments[f"{service.full_name}.{method.name}"]
        for code, name in PAIR.findall(comment):
            if code in codes:
                assert name in reasons, f"{method.name} names {name}, which nobody declares"
                assert reasons[name].code == code, f"{method.name} names {name} with {code}"
