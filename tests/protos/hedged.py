"""A service whose methods are hedged: one at once, one so late that only failures send further attempts."""

from typing import Any

from google.protobuf.message_factory import GetMessageClass

from bedplate.server.service import Service
from tests.protos import add_file, field

_POLICY = "[bedplate.v1.policy]"
_AT_ONCE = "hedge { delay { nanos: 1000000 } max_attempts: 2 }"


def _method(name: str, policy: str) -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.hedged.v1.FindRequest" '
        f'output_type: ".tests.hedged.v1.FindResponse" options {{ {_POLICY} {{ {policy} }} }} }}\n'
    )


FILE = add_file(
    'name: "tests/hedged/v1/hedged.proto" package: "tests.hedged.v1"\n'
    'dependency: "bedplate/v1/policy.proto"\n'
    'message_type { name: "FindRequest"\n' + field("text", 1, "string") + "}\n"
    'message_type { name: "FindResponse"\n' + field("text", 1, "string") + "}\n"
    'service { name: "FindService"\n'
    '  options { [bedplate.v1.service] { defaults { auth { all_scopes: "find.read" } '
    "idempotency: IDEMPOTENCY_READ_ONLY deadline { default { seconds: 20 } max { seconds: 30 } } } "
    "retry_budget { max_tokens: 8 token_ratio: 0.5 } } }\n"
    # A millisecond without an answer.
    + _method("Find", _AT_ONCE)
    + _method("FindThrice", _AT_ONCE.replace("2", "3"))
    # Never within a test, but for a failure.
    + _method("FindLate", "hedge { delay { seconds: 10 } max_attempts: 3 codes: UNAVAILABLE codes: ABORTED }")
    + _method("FindOnce", "")
    + _method("FindObserved", f"deadline {{ mode: DEADLINE_MODE_OBSERVE }} {_AT_ONCE}")
    + _method("FindShort", f"deadline {{ default {{ nanos: 300000000 }} max {{ seconds: 1 }} }} {_AT_ONCE}")
    + "}\n"
)
SERVICE = FILE.services_by_name["FindService"]
FindRequest: Any = GetMessageClass(FILE.message_types_by_name["FindRequest"])
FindResponse: Any = GetMessageClass(FILE.message_types_by_name["FindResponse"])


def service(handlers: object) -> Service:
    """The service with these handlers."""
    return Service("find", SERVICE, handlers)
