"""How bodies are refused."""

import pytest

from bedplate.errors import Kind, Refusal
from bedplate.gateway.codec.decode import decode_message
from tests.gateway.everything import Everything


def refused(body: str | bytes) -> Refusal:
    """What a body that is not taken as an Everything is refused with."""
    data = body.encode() if isinstance(body, str) else body
    with pytest.raises(Refusal) as caught:
        decode_message(data, Everything)
    assert caught.value.kind is Kind.INVALID
    return caught.value
