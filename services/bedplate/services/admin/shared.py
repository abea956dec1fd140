"""What the sections of the admin service share."""

from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from bedplate.errors import Kind, Refusal
from bedplate.pipeline.compile import Method


def require_method(methods: Mapping[str, Method], name: str) -> Method:
    """The method of a full name.

    Raises:
        Refusal: TARGET_NOT_FOUND.
    """
    found = methods.get(name)
    if found is None:
        raise Refusal(
            Kind.NOT_FOUND,
            "TARGET_NOT_FOUND",
            f"This process has no method {name}; name one that it has, package.Service/Method.",
            target=name,
        )
    return found


def to_time(time_us: int) -> Timestamp:
    """A time of microseconds since 1970."""
    message = Timestamp()
    message.FromMicroseconds(time_us)
    return message
