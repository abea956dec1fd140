"""Queries as long as a request's head may be, made to take long: they do not."""

import time
from contextlib import suppress

import pytest

from bedplate.errors import Refusal
from bedplate.gateway.beside.lenient import LenientPlan
from bedplate.gateway.transcode import Plan
from tests.gateway.plans import plan, request

# Bytes of a head, by default; and the CPU that a query of that size may take, s:
# ten times the slowest on a slow machine, a hundredth of what one that grew
# with the square took.
SIZE = 32 * 1024
CPU_S = 0.2

HOSTILE = {
    "digits of a float": "one_double=" + "1" * SIZE,
    "digits of a fraction": "one_double=0." + "1" * SIZE,
    "digits of an exponent": "one_double=1e" + "9" * SIZE,
    "digits": "one_int64=" + "1" * SIZE,
    "zeros of a number that is none": "one_int64=" + "0" * SIZE + "x",
    "zeros of a number without sign that is none": "one_uint64=" + "0" * SIZE + "x",
    "zeros of an enum that is none": "color=" + "0" * SIZE + "x",
    "digits of a float that is none": "one_double=" + "1" * SIZE + "x",
    "digits of a mantissa that is none": "one_double=1." + "1" * SIZE + "x",
    "names that are nearly one": "&".join(f"one_strinx{index}=a" for index in range(900)),
    "one name often": "&".join(["one_string=a"] * 900),
    "dots": "." * SIZE + "=1",
    "steps": "child." * (SIZE // 6) + "one_int32=1",
    "steps that end nowhere": "&".join("child." * 30 + f"x{index}=1" for index in range(SIZE // 190)),
    "a name": "a" * SIZE + "=1",
    "brackets in a key": "by_string[" + "[" * SIZE + "=1",
    "brackets that end": "by_string" + "[" * SIZE + "]=1",
    "a mask": "one_field_mask=" + ",".join(["a"] * (SIZE // 2)),
    "a time": "one_timestamp=2026-11-22T10:00:00." + "1" * SIZE,
    "digits of a duration": "one_duration=" + "1" * SIZE,
    "parts of a duration": "one_duration=" + "1h" * (SIZE // 2),
    "points of a duration": "one_duration=" + "1." * (SIZE // 2),
    "base64": "one_bytes=" + "a" * SIZE,
    "padding": "one_bytes=" + "=" * SIZE,
    "an enum": "color=" + "COLOR_" * (SIZE // 6),
    "lists in lists": "one_value=" + "[" * SIZE,
    "keys of an object": "one_value={" + ",".join(['"a":1'] * (SIZE // 6)) + "}",
    "entries": "&".join(f"by_string[{index}]=a" for index in range(900)),
    "escapes": "one_string=" + "%41" * (SIZE // 3),
    "parameters": "&" * SIZE,
    "equals signs": "=" * SIZE,
    "members of a oneof": "&".join(f"choose_{kind}=1" for kind in ("int64", "string") for _ in range(450)),
}


@pytest.mark.parametrize("made", [Plan, LenientPlan])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_query_takes_long(name, made):
    taker = plan(made=made)

    started = time.process_time()
    with suppress(Refusal):
        taker.decode(request(query=HOSTILE[name]))

    assert time.process_time() - started < CPU_S
