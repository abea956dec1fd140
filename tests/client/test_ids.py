"""Ids that clients make."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.client.ids import filled, new_id, plan
from bedplate.contract.policy import PolicyError
from bedplate.ledger.v1 import ledger_pb2
from tests.protos import add_file, field

_ID = "[bedplate.v1.field] { client_id: true }"
FILE = add_file(
    'name: "tests/ids/v1/ids.proto" package: "tests.ids.v1" dependency: "bedplate/v1/policy.proto"\n'
    'message_type { name: "Node"\n'
    + field("id", 1, "string", _ID)
    + field("child", 2, ".tests.ids.v1.Node")
    + field("nodes", 3, ".tests.ids.v1.Node", repeated=True)
    + field("named", 4, ".tests.ids.v1.Node.NamedEntry", repeated=True)
    + '  nested_type { name: "NamedEntry" options { map_entry: true }\n'
    + field("key", 1, "string")
    + field("value", 2, ".tests.ids.v1.Node")
    + "  }\n}\n"
    'message_type { name: "Many" ' + field("ids", 1, "string", _ID, repeated=True) + "}\n"
    'message_type { name: "Number" ' + field("id", 1, "int64", _ID) + "}\n"
    'message_type { name: "Plain" ' + field("text", 1, "string") + "}\n"
)


def message_class(name: str) -> type:
    """A message class of the test contract."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(FILE.message_types_by_name[name])


Node = message_class("Node")

nodes = st.recursive(
    st.builds(lambda text: Node(id=text), st.sampled_from(["", "given"])),
    lambda inner: st.builds(
        lambda text, child, many, named: Node(id=text, child=child, nodes=many, named=named),
        st.sampled_from(["", "given"]),
        st.none() | inner,
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    ),
    max_leaves=8,
)


def ids_of(node: object) -> list[str]:
    """All ids in a message, in one order."""
    found = [node.id]  # type: ignore[attr-defined]
    if node.HasField("child"):  # type: ignore[attr-defined]
        found += ids_of(node.child)  # type: ignore[attr-defined]
    for inner in [*node.nodes, *(node.named[key] for key in sorted(node.named))]:  # type: ignore[attr-defined]
        found += ids_of(inner)
    return found


@given(nodes)
def test_every_empty_id_is_filled_with_another_one_and_no_other_is_touched(node: object) -> None:
    before = ids_of(node)

    after = ids_of(filled(node))  # type: ignore[type-var]

    assert ids_of(node) == before
    assert len(after) == len(before)
    made = [new for old, new in zip(before, after, strict=True) if not old]
    assert all(len(new) == 32 for new in made)
    assert len(set(made)) == len(made)
    assert all(new == old for old, new in zip(before, after, strict=True) if old)


@given(nodes)
def test_filling_again_changes_nothing_and_copies_nothing(node: object) -> None:
    once = filled(node)  # type: ignore[type-var]

    assert filled(once) is once


def test_a_message_that_has_no_ids_is_not_looked_through() -> None:
    assert plan(message_class("Plain").DESCRIPTOR) is None
    assert plan(ledger_pb2.GetLedgerRequest.DESCRIPTOR) is None
    assert plan(ledger_pb2.PostTransactionsRequest.DESCRIPTOR) is not None


@pytest.mark.parametrize("name", ["Many", "Number"])
def test_an_id_that_is_no_single_string_is_refused_by_name(name: str) -> None:
    with pytest.raises(PolicyError, match=rf"tests\.ids\.v1\.{name}\.ids?"):
        plan(message_class(name).DESCRIPTOR)


def test_ids_made_later_sort_after_earlier_ones() -> None:
    first = new_id()
    while time.time_ns() // 1_000_000 == int(first[:12], 16):
        pass

    assert new_id() > first
