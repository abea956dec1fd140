"""A field comes from exactly one place, by whichever of its names and at whatever depth."""

from itertools import product

import pytest

from bedplate.errors import Refusal
from tests.gateway.everything import Everything
from tests.gateway.plans import plan, request

# Paths by proto names, and the names that each step goes by.
STEPS = {"child": ("child",), "named_otherwise": ("named_otherwise", "another_NAME")}
STEPS |= {
    "choose_child": ("choose_child", "chooseChild"),
    "one_string_value": ("one_string_value", "oneStringValue"),
}
PATHS = [
    "named_otherwise",
    "child.named_otherwise",
    "choose_child.named_otherwise",
    "child.choose_child.named_otherwise",
    "child.child.child.one_string_value",
    "one_string_value",
]
SPELLED = [(path, names) for path in PATHS for names in product(*(STEPS[step] for step in path.split(".")))]


def nested(names: tuple[str, ...], value: object) -> object:
    """`{a: {b: value}}` of the names a and b."""
    for name in reversed(names):
        value = {name: value}
    return value


def refused(made_by, sent):
    with pytest.raises(Refusal) as caught:
        made_by.decode(sent)
    (violation,) = caught.value.violations
    assert (caught.value.reason, violation.rule) == ("INVALID_REQUEST", "http.twice")
    return violation


@pytest.mark.parametrize(("path", "names"), SPELLED)
@pytest.mark.parametrize("value", ["same", "other", ""])
def test_path_and_whole_body(path, names, value):
    violation = refused(plan("POST", f"/v1/{{{path}}}", "*"), request("same", body=nested(names, value)))

    assert violation.field == path
    assert "path" in violation.sentence
    assert "body" in violation.sentence


@pytest.mark.parametrize(("path", "names"), [(path, names) for path, names in SPELLED if len(names) > 1])
def test_path_and_selected_body(path, names):
    first, *_ = path.split(".")

    violation = refused(
        plan("POST", f"/v1/{{{path}}}", first), request("same", body=nested(names[1:], "same"))
    )

    assert violation.field == path


@pytest.mark.parametrize(("path", "names"), SPELLED)
def test_path_and_query(path, names):
    violation = refused(plan(path=f"/v1/{{{path}}}"), request("same", query=f"{'.'.join(names)}=same"))

    assert violation.field == path
    assert "path" in violation.sentence
    assert "query" in violation.sentence


@pytest.mark.parametrize(("path", "names"), SPELLED)
@pytest.mark.parametrize("whole", [True, False])
def test_body_and_query(path, names, whole):
    body = "*" if whole else path.split(".")[0]

    violation = refused(plan("POST", "/v1", body), request(query=f"{'.'.join(names)}=same"))

    assert violation.field == path
    assert "body" in violation.sentence
    assert "query" in violation.sentence


@pytest.mark.parametrize(("path", "names"), SPELLED)
def test_the_query_twice_under_any_two_names(path, names):
    if path.endswith("_value"):
        names = (*names, "value")
    query = f"{path}=same&{'.'.join(names)}=same"

    assert refused(plan(), request(query=query)).field == path


@pytest.mark.parametrize("body", [{}, {"child": None}, {"child": {}}, {"child": {"one_string": None}}, None])
def test_a_body_without_a_value_leaves_the_field_to_the_path(body):
    made = plan("POST", "/v1/{child.one_string}", "*").decode(request("a", body=body))

    assert made == Everything(child={"one_string": "a"})


@pytest.mark.parametrize(
    ("body", "field"),
    [({"child": 5}, "child"), ({"child": []}, "child"), ({"child": {"child": "x"}}, "child.child")],
)
def test_a_body_of_another_shape_says_so(body, field):
    with pytest.raises(Refusal) as caught:
        plan("POST", "/v1/{child.one_string}", "*").decode(request("a", body=body))

    assert [(v.field, v.rule) for v in caught.value.violations] == [(field, "json.type")]


def test_a_map_in_the_query_beside_a_body_that_holds_it():
    violation = refused(plan("POST", "/v1", "by_string"), request(query="by_string[a]=b", body={"c": "d"}))

    assert violation.field == "by_string"


def test_neighbours_of_what_the_path_and_the_body_hold_come_from_the_query():
    made = plan("POST", "/v1/{child.one_string}", "choose_child").decode(
        request("a", query="child.one_int32=1&one_string=b", body={"one_string": "c"})
    )

    assert made == Everything(
        child={"one_string": "a", "one_int32": 1}, one_string="b", choose_child={"one_string": "c"}
    )
