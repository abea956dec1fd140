"""Contracts that a server takes are taken when they are generated from, and by the linter."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bedplate.generate.check import mistakes
from bedplate.generate.descriptors import load
from bedplate.generate.places import Places
from bedplate.lint.check import check
from bedplate.lint.contract import Contract
from bedplate.lint.rule import Limits
from tests.gateway.conformance.contract import compiled


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lenient methods with lists in the path, bodies below a field, a rule for TRACE."""
    path = tmp_path_factory.mktemp("contracts") / "conformance.binpb"
    path.write_bytes(compiled())
    return path


def test_what_lenient_methods_may_have_in_their_rules_is_no_mistake(path: Path) -> None:
    contracts = load(path, ("conformance",))
    places = Places(FileDescriptorSet.FromString(path.read_bytes()).file, "protos")

    found = [sentence for sentence in mistakes(contracts, places) if "LenientService" in sentence]

    assert found == []


def test_what_lenient_methods_may_have_in_their_rules_is_usable_to_the_linter(path: Path) -> None:
    files = FileDescriptorSet.FromString(path.read_bytes())
    contract = Contract(files, ["conformance/v1/lenient.proto"], folder="protos", texts={})

    found = [finding.sentence for finding in check(contract, Limits()) if finding.code == "BP306"]

    assert found == []
