"""Methods of any policy, of which nobody asks that a server could serve them."""

from itertools import count

from google.protobuf.descriptor import MethodDescriptor

from tests.protos import add_file, field

_number = count(1)


def method_of(policy: str) -> MethodDescriptor:
    """A method with this policy."""
    package = f"tests.policy{next(_number)}.v1"
    file = add_file(
        f'name: "{package}.proto" package: "{package}" dependency: "bedplate/v1/policy.proto"\n'
        f'message_type {{ name: "Message" {field("text", 1, "string")} }}\n'
        f'service {{ name: "TestService" method {{ name: "Do" input_type: ".{package}.Message" '
        f'output_type: ".{package}.Message" options {{ [bedplate.v1.policy] {{ {policy} }} }} }} }}'
    )
    return file.services_by_name["TestService"].methods_by_name["Do"]
