"""What is sensitive is found in texts however it is spelled, and nothing else is."""

import time
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import DoubleValue

from bedplate.contract.messages import has_field, reached_from
from bedplate.contract.redact import MASK, SECRETS_MAX, has_sensitive, redacted, scrub
from tests.protos import add_file, field

_SECRET = "[bedplate.v1.field] { sensitive: SENSITIVE_CARD }"


def _entry(name: str, value: str) -> str:
    return (
        f'nested_type {{ name: "{name}" options {{ map_entry: true }} '
        f"{field('key', 1, 'string')} {field('value', 2, value)} }}\n"
    )


FILE = add_file(
    'name: "tests/redact/v1/redact.proto" package: "tests.redact.v1" dependency: "bedplate/v1/policy.proto"\n'
    'enum_type { name: "Blood" value { name: "BLOOD_UNSPECIFIED" number: 0 } '
    'value { name: "BLOOD_AB" number: 1 } }\n'
    'message_type { name: "Tree"\n'
    + field("card", 1, "string", _SECRET)
    + field("whole", 2, ".tests.redact.v1.Tree", _SECRET)
    + field("below", 3, ".tests.redact.v1.Tree")
    + field("note", 4, "string")
    + field("notes", 5, ".tests.redact.v1.Tree.NotesEntry", repeated=True)
    + field("cards", 6, "string", _SECRET, repeated=True)
    + field("amount", 7, "double", _SECRET)
    + field("yes", 8, "bool", _SECRET)
    + 'field { name: "blood" number: 9 label: LABEL_OPTIONAL type: TYPE_ENUM '
    f'type_name: ".tests.redact.v1.Blood" '
    f"options {{ {_SECRET} }} }}\n" + field("plain", 10, "bytes") + _entry("NotesEntry", "string") + "}\n"
    'message_type { name: "Open"\n' + field("note", 1, "string") + "}\n"
)
Tree: Any = GetMessageClass(FILE.message_types_by_name["Tree"])
Open: Any = GetMessageClass(FILE.message_types_by_name["Open"])


def test_types_are_looked_at_below_themselves_and_each_once() -> None:
    names = [found.name for found in reached_from(Tree.DESCRIPTOR)]

    assert sorted(names) == ["NotesEntry", "Tree"]
    assert has_field(Tree.DESCRIPTOR, lambda one: one.name == "value")
    assert not has_field(Open.DESCRIPTOR, lambda one: one.name == "value")
    assert (has_sensitive(Tree.DESCRIPTOR), has_sensitive(Open.DESCRIPTOR)) == (True, False)


def test_everything_below_what_is_sensitive_is_found_the_keys_and_values_of_maps_too() -> None:
    message = Tree(whole=Tree(note="one-5", below=Tree(note="two-5"), notes={"three-5": "four-5"}))

    assert scrub("one-5 two-5 three-5 four-5 note", message) == f"{MASK} {MASK} {MASK} {MASK} note"
    assert redacted(message) == {"whole": MASK}


def test_what_is_beside_it_stays() -> None:
    message = Tree(note="a note", notes={"key": "value"}, below=Tree(card="4929", note="b"), plain=b"123")

    assert scrub("a note: key value 4929 b", message) == f"a note: key value {MASK} b"
    assert redacted(message) == {
        "note": "a note",
        "notes": {"key": "value"},
        "below": {"card": MASK, "note": "b"},
        "plain": "3 bytes",
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"card": "4929-X"}, "4929-x"),
        ({"card": "  padded "}, "padded"),
        ({"card": "it's \n"}, r"it\'s \n".replace("\\'", "'")),
        ({"card": "née 4929"}, "n%C3%A9e%204929"),
        ({"card": "née 4929"}, "n\\u00e9e 4929"),
        ({"card": "née 4929"}, "n\\303\\251e 4929"),
        ({"amount": 1234.5}, "1234.5"),
        ({"blood": 1}, "BLOOD_AB"),
    ],
)
def test_a_value_is_found_in_every_spelling(fields: dict[str, Any], text: str) -> None:
    assert scrub(f"<{text}>", Tree(**fields)) == f"<{MASK}>"


def test_the_longest_value_is_taken_out_first() -> None:
    assert scrub("4929-1234 4929", Tree(cards=["4929", "4929-1234"])) == f"{MASK} {MASK}"


def test_short_values_are_found_as_words_and_shorter_ones_not_at_all() -> None:
    message = Tree(cards=["123", "7"], yes=True)

    assert scrub("code 123, line 1234, item 7, True", message) == f"code {MASK}, line 1234, item 7, True"


def test_a_text_that_could_hold_too_many_values_is_left_out_and_takes_no_time() -> None:
    fits = Tree(cards=[f"card-{number}" for number in range(SECRETS_MAX)])
    too_many = Tree(cards=[f"card-{number:06}" for number in range(200_000)])
    begun = time.process_time()

    assert scrub("x card-7 y", fits) == f"x {MASK} y"
    assert scrub("x card-000007 y", too_many) == MASK
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("value", "shown"), [("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity"), ("1.5", 1.5)]
)
def test_numbers_that_json_has_none_for_are_shown_as_protobuf_writes_them(value: str, shown: Any) -> None:
    assert redacted(DoubleValue(value=float(value))) == {"value": shown}
