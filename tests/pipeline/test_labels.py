"""What callers say of themselves: the environment they mean, and the contract they have."""

import pytest
from google.protobuf import descriptor_pb2, text_format
from google.protobuf.descriptor_pool import DescriptorPool

from bedplate.contract.fingerprint import fingerprint
from bedplate.ledger.v1 import ledger_pb2
from bedplate.settings import Settings
from tests.pipeline.making import READ, Made
from tests.pipeline.running import detail, fail, run
from tests.protos import field

SERVICE = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]


@pytest.fixture
def staging() -> Made:
    return Made(READ, settings=Settings(environment="staging"))


@pytest.mark.parametrize("metadata", [{}, {"bedplate-environment": "staging"}])
async def test_who_means_this_environment_or_none_is_answered(staging: Made, metadata: dict[str, str]):
    assert await run(staging.method, staging.call(metadata=metadata), staging.payload())


async def test_who_means_another_environment_is_refused_before_anything_is_known_of_it(staging: Made):
    call = staging.call(metadata={"bedplate-environment": "production"}, key="")

    failure = await fail(staging.method, call, staging.payload())

    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "ENVIRONMENT_MISMATCH")
    assert detail(failure, "ErrorInfo").metadata == {"environment": "staging"}


async def test_a_server_without_a_label_takes_every_caller():
    made = Made(READ)

    assert await run(made.method, made.call(metadata={"bedplate-environment": "other"}), made.payload())


async def test_another_contract_is_answered_counted_and_told_ours():
    made = Made(READ)
    same = made.call(metadata={"bedplate-schema": fingerprint(made.descriptor)})
    other = made.call(metadata={"bedplate-schema": "0123456789abcdef"})

    for call in (same, other):
        assert await run(made.method, call, made.payload())

    assert made.sample("bedplate_schema_skew_total") == 1
    assert same.response_headers == []
    assert other.response_headers == [("bedplate-schema", fingerprint(made.descriptor))]


def test_methods_have_fingerprints_of_their_own():
    found = {fingerprint(method) for method in SERVICE.methods}

    assert len(found) == len(SERVICE.methods)
    assert all(len(text) == 16 and int(text, 16) for text in found)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (field("text", 1, "string"), True),
        (field("text", 1, "string", "deprecated: true"), True),
        (field("text", 2, "string"), False),
        (field("words", 1, "string"), False),
        (field("text", 1, "bytes"), False),
        (field("text", 1, "string", repeated=True), False),
        (field("text", 1, "string") + field("more", 2, "int32"), False),
    ],
)
def test_a_fingerprint_changes_with_the_messages_and_with_nothing_else(change: str, same: bool):
    def of(below: str) -> str:
        text = (
            f'name: "f.proto" package: "f" syntax: "proto3" message_type {{ name: "Below" {below} }}\n'
            f'message_type {{ name: "Message" {field("below", 1, ".f.Below")} }}\n'
            'service { name: "S" method { name: "Do" input_type: ".f.Message" output_type: ".f.Message" } }'
        )
        pool = DescriptorPool()
        file = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
        pool.AddSerializedFile(file.SerializeToString())
        return fingerprint(pool.FindServiceByName("f.S").methods_by_name["Do"])

    assert (of(field("text", 1, "string")) == of(change)) is same
