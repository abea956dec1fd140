"""Lenient methods make of requests what grpc-gateway makes of them."""

import base64
import gzip
import json
import os
import shutil
from functools import cache
from typing import Any

import pytest

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from bedplate.gateway.beside import inflate, patch
from bedplate.gateway.beside import lenient as lenient_feature
from bedplate.gateway.beside.lenient import LenientPlan
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.routes import parse
from tests.gateway.conformance.contract import message
from tests.gateway.grpc_gateway.peer import ANSWERS, answers, build, written
from tests.gateway.plans import method_of, request
from tests.protos import add_file

ROWS: list[dict[str, Any]] = json.loads(ANSWERS.read_text("utf-8"))
Everything = message("Everything")


@cache
def plan(path: tuple[str, ...], select: str) -> LenientPlan:
    template = "/v1" + "".join(f"/{{{field}}}" for field in path)
    binding = Binding("POST", template, select, "")
    return LenientPlan(
        method_of(Everything.DESCRIPTOR, Everything.DESCRIPTOR).descriptor, binding, parse(template)
    )


def made(row: dict[str, Any]) -> Any:
    """The message; None: refused."""
    path = row.get("Path", [])
    made_by = plan(tuple(field for field, _ in path), row.get("Select", ""))
    sent = request(
        *(text for _, text in path),
        query=row.get("Query", ""),
        body=row.get("Body", "").encode(),
        content_type="text/plain",
    )
    try:
        return made_by.decode(sent)
    except Refusal:
        return None


# What differs: bodies that only one of us takes.
DIFFERS = {
    '{"mask":"*"}': "AIP-134: all of it; we take it",
    '{"mask": "*"}': "AIP-134: all of it; we take it",
    '{"a_int64":9007199254740993.0}': "digits are lost on the way of most numbers that are written so",
    '{"unknown":' + "[" * 70 + "]" * 70 + "}": "the limit of depth is for all of the document",
    '{"value":' + "[" * 20 + "]" * 20 + "}": "no reader takes a message that is deeper",
}


def _id(row: dict[str, Any]) -> str:
    return " ".join(str(value) for key, value in row.items() if key != "answer")[:120]


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_a_request_is_taken_as_grpc_gateway_takes_it(row):
    found = made(row)

    if row.get("Body") in DIFFERS:
        assert (found is None) != (row["answer"] is None)
    elif row["answer"] is None:
        assert found is None
    else:
        assert found is not None
        assert str(found) == str(Everything.FromString(base64.b64decode(row["answer"])))


def test_a_body_that_is_an_unknown_name_of_an_enum_leaves_it_unset():
    assert made({"Select": "colour", "Body": '"NONE"'}) == Everything()
    assert made({"Select": "colour", "Body": '"COLOUR_RED"'}) == Everything(colour=1)


CLOSED = add_file(
    'name: "tests/lenient/closed.proto" package: "tests.lenient" syntax: "proto2"\n'
    'enum_type { name: "Size" value { name: "SMALL" number: 1 } }\n'
    'message_type { name: "Shirt" '
    'field { name: "size" number: 1 label: LABEL_OPTIONAL '
    'type: TYPE_ENUM type_name: ".tests.lenient.Size" } }'
).message_types_by_name["Shirt"]


def test_a_number_that_a_closed_enum_cannot_hold_is_refused():
    shirts = LenientPlan(method_of(CLOSED, CLOSED).descriptor, Binding("POST", "/v1", "*", ""), parse("/v1"))

    with pytest.raises(Refusal) as caught:
        shirts.decode(request(body={"size": 2}))

    assert [v.rule for v in caught.value.violations] == ["json.enum"]


@pytest.mark.parametrize("lenient", [True, False])
def test_a_list_in_the_path_is_for_lenient_methods(lenient):
    binding = Binding("GET", "/v1/{many_int32}", "", "")

    def make() -> Endpoint:
        features = (lenient_feature.compile,)
        return Endpoint(method_of(lenient=lenient), binding, parse(binding.path), features)

    if lenient:
        assert list(make().decode(request("1,2")).many_int32) == [1, 2]
    else:
        with pytest.raises(PolicyError, match="many_int32 must be a single"):
            make()


def patch_of(*, lenient: bool) -> Endpoint:
    """A PATCH of `child`, with a mask beside it."""
    features = (lenient_feature.compile, inflate.compile, patch.compile)
    binding = Binding("PATCH", "/v1", "child", "")
    return Endpoint(method_of(lenient=lenient), binding, parse("/v1"), features)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"one_int32": 7} and more', ["one_int32"]),
        (b' {"oneInt32": 7}\n', ["one_int32"]),
        (b'{"one_int32": 7}\xff', ["one_int32"]),
        (b" \n", []),
        (b"", []),
    ],
)
def test_the_mask_of_a_change_is_of_the_part_of_the_body_that_counts(body, paths):
    made_of = patch_of(lenient=True).decode(request(body=body))

    assert list(made_of.one_field_mask.paths) == paths


@pytest.mark.parametrize("value", [b"1", b"1e999", b"9" * 5000, b'{"a":[-1e999]}'])
def test_a_change_of_an_unknown_field_is_refused_as_grpc_gateway_does(value):
    with pytest.raises(Refusal) as caught:
        patch_of(lenient=True).decode(request(body=b'{"one_int32": 7, "unknown": %b}' % value))

    assert [violation.field for violation in caught.value.violations] == ["child.unknown"]


@pytest.mark.parametrize(
    ("keys", "chars", "taken"), [(1000, 1, True), (1001, 1, False), (60, 1000, True), (70, 1000, False)]
)
def test_the_mask_of_a_free_value_is_not_as_large_as_its_caller_likes(keys, chars, taken):
    """Each path has the keys above it: 120 KB of a body made a mask of 200 MB."""
    body = json.dumps({"one_struct": {"k" * chars: {str(number): 1 for number in range(keys)}}}).encode()

    if taken:
        assert len(patch_of(lenient=True).decode(request(body=body)).one_field_mask.paths) == keys
        return
    with pytest.raises(Refusal) as caught:
        patch_of(lenient=True).decode(request(body=body))
    assert [violation.field for violation in caught.value.violations] == ["child"]


def test_the_mask_of_a_change_that_was_compressed_is_of_what_was_in_it():
    sent = request(body=gzip.compress(b'{"one_int32": 7}'), content_encoding="gzip")
    before = sent.body

    made_of = patch_of(lenient=True).decode(sent)

    assert list(made_of.one_field_mask.paths) == ["one_int32"]
    assert sent.body is before


@pytest.mark.soak
def test_what_is_kept_is_what_grpc_gateway_answers():
    if shutil.which("go") is None and "CI" not in os.environ:
        pytest.skip("there is no Go to build grpc-gateway's side with")

    assert written(answers(build())) == ANSWERS.read_text("utf-8")
