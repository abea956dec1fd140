"""The functions that most documents go through make of each what the plan makes of it, or nothing."""

import json
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from google.protobuf.message_factory import GetMessageClass

from bedplate.errors import Refusal
from bedplate.gateway.codec import quick
from bedplate.gateway.codec.decode import decode_message, reader
from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.codec.leaf import Convert
from bedplate.gateway.codec.plan import Builder
from bedplate.gateway.codec.quick import KEYS_MAX, MISSES, ORDERS_MAX, Functions
from bedplate.gateway.codec.text import Unfit
from tests.gateway.everything import EVERYTHING, Everything
from tests.gateway.json_cost import Payment, batch, payment
from tests.gateway.random_types import random_message, random_types
from tests.protos import add_file, field

FILE = add_file(
    'name: "tests/quick/v1/quick.proto" package: "tests.quick.v1"\n'
    'message_type { name: "Few" '
    + "".join(field(f"key_{number}", number, "string") for number in range(1, 9))
    + "}\n"
    'message_type { name: "Many" '
    + "".join(field(f"key_{number}", number, "string") for number in range(1, KEYS_MAX + 2))
    + "}\n"
    'message_type { name: "Choice" '
    + "".join(
        f'field {{ name: "{name}" number: {number} label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }}'
        for number, name in enumerate("ab", 1)
    )
    + 'oneof_decl { name: "either" } }\n'
)
FEW, MANY, CHOICE = (FILE.message_types_by_name[name] for name in ("Few", "Many", "Choice"))

# What JSON can hold, and what text can be where a number, a time or bytes are expected.
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 5, 2**31, 2**32, 2**63, 2**64 - 1, -(2**31) - 1, -(2**63)),
    *(0.0, -0.0, 1.0, 1.5, -1.5, 1e15, 1e300, 3.5e38),
    *("", " 5", "5 ", "5\n", "9" * 5000),
    *("0", "5", "-5", "+5", "1_0", "007", "-0", "--5", "0x5", "1e2", "1.0", "1e400", "\uff11", "\u0663"),
    *("NaN", "Infinity", "-Infinity", "true", "null", "RED", "COLOR_ROSY", "NULL_VALUE", "a,b", "aB"),
    *(str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64)),
    *(
        "text",
        "1.5s",
        "-1s",
        "AAEC",
        "AA",
        "AB==",
        "_-8=",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.5+01:00",
    ),
    *([], {}, [[]], [{}], {"": 1}, {"a": {}}, {"1": "1"}, {"@type": "type.googleapis.com/x"}),
]


def single(held: Any) -> Convert:
    """How one value of a field is converted, as decode.py says it to the functions."""
    return Builder.whole(lambda builder: builder.single(held, False))


@cache
def by_order(descriptor: Any, keys: tuple[str, ...]) -> Convert:
    """The function that a type has for keys that came twice."""
    made = Functions(descriptor, single)
    _, second = made[keys], made[keys]
    return second


@cache
def by_name(descriptor: Any) -> Convert:
    """The function that a type has for keys in any order."""
    return Functions(descriptor, single).general


def by_plan(descriptor: Any) -> Convert:
    """What knows all spellings and all faults."""
    return Builder.whole(lambda builder: builder.message(descriptor, False))


def message_of(descriptor: Any, convert: Convert, document: Any, misses: Any) -> bytes | None:
    """The message that becomes of a document, as bytes; None: it is not taken."""
    try:
        message = GetMessageClass(descriptor)(**convert(document))
    except misses:
        return None
    return bytes(message.SerializePartialToString(deterministic=True))


def check(descriptor: Any, document: Any) -> bool:
    """Fail when a function takes what the plan refuses or makes another message; whether both took it."""
    keys = tuple(document) if type(document) is dict else ()
    expected = message_of(descriptor, by_plan(descriptor), document, Unfit)
    general = message_of(descriptor, by_name(descriptor), document, MISSES)
    ordered = message_of(descriptor, by_order(descriptor, keys), document, MISSES)
    assert general in (None, expected), document
    assert ordered in (None, expected), document
    return general is not None and ordered is not None


@pytest.mark.parametrize("held", [*EVERYTHING.fields], ids=lambda held: held.name)
def test_whatever_stands_in_a_field_a_function_makes_of_it_what_the_plan_makes_or_nothing(held):
    for odd in ODD:
        for value in (odd, [odd], [odd, odd], {"1": odd}, {"true": odd}, {"x": odd}):
            check(EVERYTHING, {held.json_name: value})


def changed(random: Random, document: Any) -> Any:
    """The document in another order of keys, some of them gone or by another name, some values odd."""
    if random.random() < 0.04:
        return random.choice(ODD)
    if type(document) is list:
        return [changed(random, item) for item in document]
    if type(document) is not dict:
        return document
    items = [(key, changed(random, item)) for key, item in document.items() if random.random() < 0.9]
    random.shuffle(items)
    if items and random.random() < 0.05:
        items.append((random.choice(["unknown", "one_int32", "key", items[0][0].swapcase()]), 1))
    return dict(items)


def agree(seed: int, documents: int) -> int:
    """How many documents were taken, of so many of each type of a random pool."""
    random = Random(seed)
    taken = 0
    for descriptor, depth in [*((descriptor, 1) for descriptor in random_types(random)), (EVERYTHING, 4)]:
        write = encoder(descriptor)
        for _ in range(documents):
            document = orjson.loads(orjson.dumps(write(random_message(random, descriptor, depth))))
            taken += check(descriptor, changed(random, document))
    return taken


def test_documents_in_any_order_and_with_odd_values_become_what_the_plan_makes_of_them_or_nothing():
    assert sum(agree(seed, documents=4) for seed in range(20)) > 100


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_seven_thousand_documents_become_what_the_plan_makes_of_them_or_nothing():
    assert sum(agree(seed, documents=20) for seed in range(1_000, 1_060)) > 1_500


@pytest.mark.parametrize("message", [payment(), batch()], ids=["payment", "batch"])
def test_what_the_codec_writes_goes_through_functions(message):
    document = orjson.loads(orjson.dumps(encoder(message.DESCRIPTOR)(message)))

    assert check(message.DESCRIPTOR, document)


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"amountMinor": 1234567}, True),
        ({"amountMinor": "+1234567"}, False),
        ({"captured": None, "card": None, "lines": None, "createTime": None, "feeMinor": None}, True),
        ({"captured": 1}, False),
        ({"riskScore": 1}, True),
        ({"riskScore": "1"}, False),
        ({"tags": "abc"}, False),
        ({"tags": {"a": "b"}}, False),
        ({"lines": {}}, False),
        ({"lines": [None]}, False),
        ({"state": 3}, False),
        ({"card": []}, False),
        ({"card": [["brand", "visa"]]}, False),
        ({"other": 1}, False),
    ],
)
def test_functions_take_null_and_numbers_and_leave_other_spellings_to_the_plan(changes, taken):
    document = orjson.loads(orjson.dumps(encoder(Payment.DESCRIPTOR)(payment()))) | changes

    assert check(Payment.DESCRIPTOR, document) is taken


def test_an_order_of_keys_gets_a_function_when_it_comes_again():
    made = Functions(FEW, single)
    first, second, third = made[("key1", "key2")], made[("key1", "key2")], made[("key1", "key2")]

    assert first is made.general
    assert second is third is not first
    assert list(made) == [("key1", "key2")]


@pytest.mark.parametrize(
    ("descriptor", "keys"),
    [
        (FEW, ("key1", "unknown")),
        (FEW, ("key_1",)),
        (FEW, tuple("key1")),
        (CHOICE, ("a", "b")),
        (MANY, tuple(f"key{number}" for number in range(1, KEYS_MAX + 2))),
    ],
)
def test_keys_that_no_function_can_be_made_for_are_not_remembered(descriptor, keys):
    made = Functions(descriptor, single)

    assert all(made[keys] is made.general for _ in range(3))
    assert not made


def test_as_many_keys_as_the_limit_says_have_a_function():
    made = Functions(MANY, single)
    keys = tuple(f"key{number}" for number in range(1, KEYS_MAX + 1))

    assert made[keys] is made.general is not made[keys]
    assert made[keys](dict.fromkeys(keys, "x"))["key_100"] == "x"


def test_a_type_has_as_many_functions_as_the_limit_says_and_reads_the_rest_as_well():
    names = [held.json_name for held in FEW.fields]
    orders = [tuple(Random(number).sample(names, 8)) for number in range(ORDERS_MAX + 20)]
    found, make = Functions(FEW, single), GetMessageClass(FEW)

    for order in orders:
        for number in range(3):
            document = {name: f"{name} {number}" for name in order}
            assert make(**found[order](document)) == make(**by_plan(FEW)(document))

    assert len(found) == ORDERS_MAX


def test_orders_that_never_come_again_leave_nothing_behind(monkeypatch):
    built = []
    source = quick._Source.function
    monkeypatch.setattr(quick._Source, "function", lambda *args: built.append(args) or source(*args))
    names = [held.json_name for held in FEW.fields]
    found = Functions(FEW, single)

    for number in range(ORDERS_MAX * 5):
        found[tuple(Random(number).sample(names, 8))]

    assert (len(built), len(found)) == (1, 0)
    assert len(found._once) <= ORDERS_MAX


@pytest.mark.parametrize("value", [[], ["oneInt32"], "", "abc", 5, 1.5, True, None, [["oneInt32", 1]]])
def test_what_is_no_object_is_refused_whatever_came_before(value):
    read = reader(EVERYTHING)
    for _ in range(3):
        assert read({}) == Everything()
        assert read({"oneInt32": 1}).one_int32 == 1

    for _ in range(3):
        with pytest.raises(Refusal, match="Send an object"):
            read(value)


def test_a_refusal_of_the_constructor_alone_is_explained():
    document = {"oneInt32": 2**31, "manyInt32": [True], "oneUint64": "-1"}

    for _ in range(3):
        with pytest.raises(Refusal) as refused:
            decode_message(json.dumps(document).encode(), Everything)

        assert {violation.field for violation in refused.value.violations} == {
            "one_int32",
            "many_int32[0]",
            "one_uint64",
        }
