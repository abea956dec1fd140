"""What a contract in proto2 requires is asked for, in answers that are no larger than they need to be."""

import json
import time

import pytest

from bedplate.contract.bindings import Binding
from bedplate.errors import Refusal
from bedplate.gateway.beside import required
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.routes import parse
from tests.gateway.plans import method_of, request
from tests.protos import add_file, field

ITEM = ".tests.required.Item"
NAMES = [f"name_{number}" for number in range(30)]
FILE = add_file(
    'name: "tests/required.proto" package: "tests.required" syntax: "proto2"\n'
    'message_type { name: "Item" '
    + "".join(field(name, number, "string") for number, name in enumerate(NAMES, 1)).replace(
        "LABEL_OPTIONAL", "LABEL_REQUIRED"
    )
    + '}\nmessage_type { name: "Request" '
    + field("one", 1, ITEM)
    + field("many", 2, ITEM, repeated=True)
    + field("by_key", 3, ".tests.required.Request.ByKeyEntry", repeated=True)
    + field("labels", 4, ".tests.required.Request.LabelsEntry", repeated=True)
    + 'nested_type { name: "ByKeyEntry" options { map_entry: true } '
    + field("key", 1, "string")
    + field("value", 2, ITEM)
    + '} nested_type { name: "LabelsEntry" options { map_entry: true } '
    + field("key", 1, "string")
    + field("value", 2, "string")
    + "} }\n"
)
TYPE = FILE.message_types_by_name["Request"]
ENDPOINT = Endpoint(method_of(TYPE, TYPE), Binding("POST", "/v1", "*", ""), parse("/v1"), (required.compile,))
WHOLE = dict.fromkeys(NAMES, "")


def missing(body):
    with pytest.raises(Refusal) as caught:
        ENDPOINT.decode(request(body=body))
    return [violation.field for violation in caught.value.violations]


def test_each_missing_field_is_named_wherever_it_would_stand():
    most = {name: "" for name in NAMES if name != "name_7"}
    body = {"one": most, "many": [WHOLE, most], "byKey": {"a": WHOLE, "b": most}, "labels": {"c": "d"}}

    assert missing(body) == ["one.name_7", "many[1].name_7", 'by_key["b"].name_7']


def test_what_has_all_is_taken():
    made = ENDPOINT.decode(request(body={"one": WHOLE, "many": [WHOLE], "byKey": {"a": WHOLE}}))

    assert made.IsInitialized()


def test_an_answer_repeats_no_long_key_for_each_field_below_it():
    """200 KB of a key made an answer of 4 MB."""
    named = missing({"byKey": {"k" * 200_000: {}}})

    assert named[0] == f'by_key["{"k" * 40}"].name_0'
    assert len(named) == 20


def test_no_more_is_looked_for_than_is_named():
    body = json.dumps({"many": [{}] * 100_000}).encode()
    ENDPOINT.plan.decode(request(body=body))  # what it costs to read it
    began = time.process_time()
    made = ENDPOINT.plan.decode(request(body=body))
    read_s = time.process_time() - began
    assert not made.IsInitialized()

    began = time.process_time()
    named = missing(body)
    asked_s = time.process_time() - began

    assert len(named) == 20
    assert asked_s < 4 * read_s + 0.1, "three million paths would take seconds"
