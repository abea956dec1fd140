"""Headers of a server's answer, beside those that the gateway writes itself."""

from bedplate.gateway.elsewhere.method import _hand_on
from bedplate.gateway.headers import call_lines
from bedplate.pipeline.call import Call
from tests.protos.echo import EchoRequest

BEHIND = (("ratelimit", '"theirs";r=1;t=1'), ("ratelimit-policy", '"theirs";q=1;w=1'), ("x-shelf", "3"))


def told_lines(call: Call) -> str:
    """The header lines of a call behind its two ids."""
    return "".join(call_lines(call).splitlines(keepends=True)[2:])


def call() -> Call:
    return Call(method="a.B/C", door="http", decode=EchoRequest.FromString)


def test_the_gateways_own_limit_stands_in_place_of_that_of_the_server_behind() -> None:
    limited = call()
    limited.quota = (lambda tokens: f'ratelimit: "ours";r={tokens:g};t=1\r\n', 2.0)

    _hand_on(BEHIND, limited)

    assert told_lines(limited) == 'ratelimit: "ours";r=2;t=1\r\nx-shelf: 3\r\n'


def test_without_a_limit_of_its_own_it_hands_on_that_of_the_server() -> None:
    free = call()

    _hand_on(BEHIND, free)

    assert told_lines(free).splitlines() == [f"{name}: {value}" for name, value in BEHIND]
