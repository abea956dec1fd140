"""The quick check of rules accepts nothing that the whole check refuses."""

import itertools
import math
import string as characters
import time
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.contract.policy import PolicyError
from bedplate.ledger.v1 import ledger_pb2
from bedplate.pipeline.rules import _quick_chars, plain_check
from bedplate.pipeline.stages.validate import _plan
from bedplate.rates.v1 import rates_pb2
from tests import protos
from tests.bench import contract
from tests.pipeline.making import READ, Made

VALIDATOR = protovalidate.Validator()

# What rules turn on: the characters of ids, and those that fool patterns.
ALPHABET = characters.ascii_letters + characters.digits + "._-:/ \n\x00é٣"

TRANSACTION = ledger_pb2.Transaction(
    transaction_id="t1",
    metadata={"order": "17"},
    entries=[
        ledger_pb2.Entry(account_id="a:b", side=ledger_pb2.SIDE_DEBIT, amount_minor=1),
        ledger_pb2.Entry(account_id="c", side=ledger_pb2.SIDE_CREDIT, amount_minor=1),
    ],
)

FAILURE = ledger_pb2.LedgerFailure(
    transaction=TRANSACTION, reason="LIMIT_EXCEEDED", time=Timestamp(seconds=1)
)
POSTED = ledger_pb2.TransactionPosted(transaction=TRANSACTION, time=Timestamp(seconds=1), sequence=1)

# A message of each class that keeps its rules; the test changes some of it.
RIGHT = [
    ledger_pb2.PostTransactionsRequest(ledger_id="main", transactions=[TRANSACTION]),
    ledger_pb2.GetBalanceRequest(ledger_id="main", account_id="a:b"),
    ledger_pb2.ListAccountsRequest(ledger_id="main", page_size=10),
    ledger_pb2.ListEntriesRequest(ledger_id="main"),
    ledger_pb2.CreateLedgerRequest(ledger_id="main"),
    ledger_pb2.ImportLedgerRequest(
        ledger_id="main",
        records=[
            ledger_pb2.LedgerRecord(check=b"12345678", transaction=POSTED),
            ledger_pb2.LedgerRecord(check=b"12345678", failure=FAILURE),
        ],
    ),
    rates_pb2.ImportRatesRequest(
        source="ecb", rates=[rates_pb2.Rate(base="EUR", quote="USD", date="2026-11-20", value="1.1")]
    ),
    rates_pb2.ConvertRequest(base="EUR", quote="USD", amount="1"),
    rates_pb2.ListRatesRequest(quote="USD"),
    contract.request(),
]

USUAL = ["main", "EUR", "USD", "2026-11-22", "a:b", "1.5", "ecb", "", "main\n", "x" * 64]

LIMITS = [0, 1, -1, 2, 3, 64, 100, 1000, 1001, 2**31 - 1, -(2**31)]


def value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of a field: some right, some at a bound, some wrong."""
    if field.message_type is not None:
        return message(GetMessageClass(field.message_type), depth - 1)
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=4)
        usual = st.sampled_from(
            ["main", "EUR", "USD", "2026-11-22", "a:b", "1.5", "ecb", "", "main\n", "x" * 64]
        )
        return usual | st.text(ALPHABET, max_size=70)
    if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        return st.sampled_from(LIMITS)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.integers(0, 7)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    return st.floats(allow_nan=False, width=32)


def message(message_class: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Messages of a class, with some fields of any value."""
    return changed(message_class(), depth, often=3)


def changed(right: Any, depth: int = 3, often: int = 8) -> st.SearchStrategy[Any]:
    """Copies of a message in which about one of so many fields is replaced, at any depth."""

    @st.composite
    def build(draw: Any) -> Any:
        made = type(right)()
        made.CopyFrom(right)
        for field in made.DESCRIPTOR.fields:
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                parts = field.message_type.fields_by_name
                if parts["value"].message_type is None and draw(st.booleans()):
                    pairs = st.dictionaries(value(parts["key"], 0), value(parts["value"], 0), max_size=3)
                    getattr(made, field.name).update(draw(pairs))
                continue
            if field.message_type is not None and depth == 0:
                continue
            replace = draw(st.integers(1, often)) == 1
            if field.is_repeated and field.message_type is not None and not replace:
                items = [draw(changed(item, depth - 1, often)) for item in getattr(made, field.name)]
                made.ClearField(field.name)
                getattr(made, field.name).extend(items)
            elif replace and field.is_repeated:
                made.ClearField(field.name)
                getattr(made, field.name).extend(draw(st.lists(value(field, depth), max_size=3)))
            elif replace and field.message_type is not None:
                getattr(made, field.name).CopyFrom(draw(value(field, depth)))
            elif replace:
                setattr(made, field.name, draw(value(field, depth)))
        return made

    return build()


@pytest.mark.parametrize("right", RIGHT, ids=lambda each: each.DESCRIPTOR.name)
def test_what_the_quick_check_accepts_protovalidate_accepts(right: Any) -> None:
    check = plain_check(right.DESCRIPTOR)
    assert check is not None, "the contract's rules are of the plain kinds"
    required = _plan(right.DESCRIPTOR)[1]
    assert check(right), "what is right is accepted without protovalidate"

    @settings(max_examples=200, deadline=None)
    @given(changed(right))
    def agrees(made: Any) -> None:
        if check(made):
            VALIDATOR.validate(made)
            assert required is None or required.complete(made)

    agrees()


@pytest.mark.parametrize(
    ("currency", "accepted"), [("EUR", True), ("EUR\n", False), ("eur", False), ("EURO", False), ("É", False)]
)
def test_a_pattern_is_about_the_whole_value(currency: str, accepted: bool) -> None:
    request = contract.request()
    request.payment.currency = currency
    check = plain_check(contract.ChargeRequest.DESCRIPTOR)
    assert check is not None

    assert check(request) is accepted


def test_a_rule_of_another_kind_is_left_to_protovalidate() -> None:
    """Account has a CEL rule, so that every account is protovalidate's to judge."""
    assert plain_check(ledger_pb2.Account.DESCRIPTOR) is None
    assert plain_check(ledger_pb2.CreateAccountRequest.DESCRIPTOR) is None


def test_what_does_not_hold_a_value_with_such_a_rule_is_plain() -> None:
    """A record may hold an account, and a list may be that of an account path."""
    records = plain_check(ledger_pb2.ImportLedgerRequest.DESCRIPTOR)
    accounts = plain_check(ledger_pb2.ListAccountsRequest.DESCRIPTOR)
    assert records is not None
    assert accounts is not None
    account = ledger_pb2.LedgerRecord(check=b"12345678", account=ledger_pb2.AccountCreated())

    assert not records(ledger_pb2.ImportLedgerRequest(ledger_id="main", records=[account]))
    assert accounts(ledger_pb2.ListAccountsRequest(ledger_id="main"))
    assert not accounts(ledger_pb2.ListAccountsRequest(ledger_id="main", account_path="a:*"))


@pytest.mark.parametrize(
    ("pattern", "chars"),
    [
        ("^[a-z]+$", math.inf),
        ("^[a-z0-9][a-z0-9._-]{0,63}$", math.inf),
        ("^([0-9]{4}-[0-9]{2})?$", math.inf),
        ("^[^\\x00]*$", math.inf),
        ("^[a-z]+(:[a-z]+)*$", 256),
        ("^[a-z]+[a-z0-9]*$", 256),
        ("[a-z]+$", 256),
        ("^a|b+$", 256),
        ("^[a-z]*[a-z]*[a-z]*$", 0),
        ("^(a+)+$", 0),
        ("^((a+))+$", 0),
        ("^(a|aa)+$", 0),
        ("^([a-z]{1,2})*$", 0),
        ("^a?a?a?a?a?aaaaa$", 0),
        ("^([a-z]+)*$", 0),
        ("^(a[a-z]+)*$", 0),
        ("^([a-z]*){2,}$", 0),
        ("^(:[a-z:]+)*$", 0),
    ],
)
def test_a_pattern_that_a_value_could_keep_busy_is_left_to_protovalidate(pattern: str, chars: float) -> None:
    assert _quick_chars(pattern) == chars


def test_the_length_of_a_value_is_looked_at_before_its_pattern() -> None:
    """Both parts take the same letters: each place between the two would be tried."""
    words = ruled("busy", protos.field("word", 1, "string", string('pattern: "^[a-z]+[a-z0-9]*$"')))
    check = plain_check(words.DESCRIPTOR)
    assert check is not None

    assert check(words(word="a" * 256))
    began = time.process_time()
    assert not check(words(word="a" * 1_000_000 + "!"))
    assert time.process_time() - began < 5.0, "a matcher would have taken hours"


TEXTS = [*USUAL, "a", "aa", "aaa", "a{,3}", "a{02}", "\v", "\t", "a-b", "a.b", "é", "a" * 1001]

STRINGS = [
    'pattern: "^a{,3}$"',
    'pattern: "^a{02}$"',
    'pattern: "^a{1,1001}$"',
    'pattern: "^\\\\s$"',
    'pattern: "^[\\\\w-.]+$"',
    'pattern: "^{2}$"',
    'pattern: "^[a-z]+$" max_len: 2',
    'pattern: "^.*$"',
    "min_len: 3 max_len: 2",
    "max_len: 0",
]


@pytest.mark.parametrize("rules", STRINGS)
def test_a_text_that_the_quick_check_accepts_protovalidate_accepts(rules: str) -> None:
    words = ruled("text", protos.field("word", 1, "string", string(rules)))

    assert_accepts_no_more(words, [words(word=text) for text in TEXTS])


def test_a_message_that_the_contract_requires_is_not_left_out() -> None:
    required = "[buf.validate.field] { required: true }"
    outer = ruled(
        "outer",
        protos.field("inner", 1, ".google.protobuf.Timestamp", required)
        + protos.field("text", 2, ".google.protobuf.StringValue", required),
        "google/protobuf/timestamp.proto",
        "google/protobuf/wrappers.proto",
    )
    check = plain_check(outer.DESCRIPTOR)

    assert check is None or not check(outer())
    assert_accepts_no_more(outer, [outer(inner=Timestamp()), outer(text=StringValue())])


@pytest.mark.parametrize("kind", ["int32", "string", "double"])
@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("required", ["", "required: true"])
def test_a_zero_is_passed_over_where_protovalidate_does(kind: str, optional: bool, required: str) -> None:
    rule = "string { min_len: 2 }" if kind == "string" else f"{kind} {{ gt: 1 }}"
    option = f"[buf.validate.field] {{ ignore: IGNORE_IF_ZERO_VALUE {rule} {required} }}"
    field = protos.field("value", 1, kind, option)
    if optional:
        field = field.replace("label:", "proto3_optional: true oneof_index: 0 label:", 1)
    made = ruled("zero", field)
    values: dict[str, list[Any]] = {
        "int32": [0, 1, 2],
        "string": ["", "a", "ab"],
        "double": [0.0, -0.0, 1.0, 2.0],
    }

    assert_accepts_no_more(made, [made(), *(made(value=value) for value in values[kind])])


@pytest.mark.parametrize("rules", ["max_items: 0", "max_items: 1", 'items { string { pattern: "^a$" } }'])
def test_a_list_that_the_quick_check_accepts_protovalidate_accepts(rules: str) -> None:
    option = f"[buf.validate.field] {{ repeated {{ {rules} }} }}"
    made = ruled("list", protos.field("values", 1, "string", option, repeated=True))

    assert_accepts_no_more(made, [made(values=values) for values in ([], ["a"], ["a", "b"], [""])])


def string(rules: str) -> str:
    return f"[buf.validate.field] {{ string {{ {rules} }} }}"


NUMBER = itertools.count()


def ruled(name: str, fields: str, *imports: str) -> Any:
    """The class of a message with such fields."""
    number = next(NUMBER)
    imported = "".join(f'dependency: "{path}" ' for path in ("buf/validate/validate.proto", *imports))
    oneof = 'oneof_decl { name: "_value" } ' if "proto3_optional" in fields else ""
    file = protos.add_file(
        f'name: "tests/ruled/{name}{number}.proto" package: "tests.ruled.{name}{number}" {imported}\n'
        f'message_type {{ name: "Ruled" {fields} {oneof} }}\n'
    )
    return GetMessageClass(file.message_types_by_name["Ruled"])


def assert_accepts_no_more(message_class: Any, values: list[Any]) -> None:
    check = plain_check(message_class.DESCRIPTOR)
    for made in values:
        if check is not None and check(made):
            VALIDATOR.validate(made)


def test_fields_may_be_named_as_the_language_names_its_own() -> None:
    required, short = (
        "[google.api.field_behavior]: REQUIRED",
        "[buf.validate.field] { string { max_len: 2 } }",
    )
    file = protos.add_file(
        'name: "tests/keywords/v1/keywords.proto" package: "tests.keywords.v1"\n'
        'dependency: "google/api/field_behavior.proto" dependency: "buf/validate/validate.proto"\n'
        'message_type { name: "Words"\n'
        + protos.field("from", 1, "string", required)
        + protos.field("None", 2, "string", short)
        + protos.field("m", 3, "int32", "[buf.validate.field] { int32 { gt: 0 } }")
        + "}\n"
    )
    words: Any = GetMessageClass(file.message_types_by_name["Words"])
    check = plain_check(words.DESCRIPTOR)

    assert check is not None
    assert check(words(**{"from": "here", "None": "ab", "m": 1}))
    assert not check(words(**{"None": "ab", "m": 1}))
    assert not check(words(**{"from": "here", "None": "abc", "m": 1}))
    assert not check(words(**{"from": "here", "m": 0}))


@pytest.mark.parametrize(
    "rule",
    [
        'string { pattern: "[a-" }',
        "int32 { gt: 3 }",  # of a text
        'cel { id: "x" message: "m" expression: "this.nope +" }',
    ],
)
@pytest.mark.parametrize("place", ["request", "below"])
def test_rules_that_cannot_be_used_stop_the_start_and_name_method_and_message(rule: str, place: str) -> None:
    wrong = protos.field("wrong", 9, "string", f"[buf.validate.field] {{ {rule} }}")
    below = (
        f'nested_type {{ name: "Below" {wrong} }} '
        'field { name: "below" number: 8 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: "Below" }'
    )

    with pytest.raises(
        PolicyError, match=r"TestService/Do: the validation rules of .*Message.* cannot be used: "
    ):
        Made(READ, fields=wrong if place == "request" else below)


def test_rules_that_only_an_empty_message_cannot_be_held_against_stop_no_start() -> None:
    rule = 'cel { id: "x" message: "m" expression: "1 / size(this) > 0" }'

    Made(READ, fields=protos.field("words", 9, "string", f"[buf.validate.field] {{ {rule} }}", repeated=True))
