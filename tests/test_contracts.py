"""What every contract of this repository must say."""

import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from bedplate.contract import reasons
from bedplate.contract.bindings import bindings
from bedplate.contract.policy import Visibility, resolve
from bedplate.policy.enforced import check_method
from bedplate.services.registry import ALWAYS, NAMES, contract

ROOT = Path(__file__).parent.parent
METHODS = {method.full_name: method for noun in (*NAMES, *ALWAYS) for method in contract(noun).methods}
CODES = "|".join(["INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION",
    "ABORTED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "PERMISSION_DENIED", "UNAUTHENTICATED"])  # fmt: skip


def comments() -> dict[str, str]:
    """The comment above each rpc, by full name, on one line."""
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (ROOT / "generated" / "descriptors" / "bedplate.binpb").read_bytes()
    )
    found = {}
    for file in files.file:
        for location in file.source_code_info.location:
            # 6 is `service` of a file, 2 is `method` of a service.
            if len(location.path) == 4 and location.path[0] == 6 and location.path[2] == 2:
                service = file.service[location.path[1]]
                method = service.method[location.path[3]]
                text = " ".join(location.leading_comments.split())
                found[f"{file.package}.{service.name}.{method.name}"] = text
    return found


COMMENTS = comments()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_policy_that_this_version_keeps(name):
    policy = check_method(METHODS[name])

    assert policy.auth is not None
    assert policy.auth.anonymous or policy.auth.all_scopes or policy.auth.any_scopes


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_own_request_and_response(name):
    method = METHODS[name]

    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_refuses_with_reasons_that_are_declared_with_those_codes(name):
    comment = COMMENTS[name]
    declared = {**reasons.platform(), **reasons.of_file(METHODS[name].containing_service.file)}

    assert "efuses" in comment or "an also refuse" in comment, "list the refusals, in order"
    for code, reason in re.findall(rf"\b({CODES}) ([A-Z][A-Z_]+[A-Z])\b", comment):
        assert reason in declared, reason
        assert declared[reason].code == code, reason


@pytest.mark.parametrize("noun", NAMES)
def test_every_reason_of_a_service_is_a_refusal_of_one_of_its_methods(noun):
    service = contract(noun)
    told = " ".join(COMMENTS[method.full_name] for method in service.methods)

    assert [reason for reason in reasons.of_file(service.file) if not re.search(rf"\b{reason}\b", told)] == []


@pytest.mark.parametrize("noun", ["", *NAMES])
def test_every_reason_has_a_code_and_a_sentence_that_helps(noun):
    declared = reasons.of_file(contract(noun).file) if noun else reasons.platform()

    assert declared
    for reason in declared.values():
        assert reason.code not in ("OK", "UNKNOWN"), reason.name
        assert re.fullmatch(r"[A-Z].{10,}\.", reason.help), reason.name


@pytest.mark.parametrize("noun", NAMES)
def test_no_reason_of_a_service_has_the_name_of_one_of_the_platform(noun):
    assert set(reasons.of_file(contract(noun).file)) & set(reasons.platform()) == set()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_an_http_route_when_it_is_public_and_only_then(name):
    public = resolve(METHODS[name]).visibility is not Visibility.INTERNAL

    assert bool(list(bindings(METHODS[name]))) is public
