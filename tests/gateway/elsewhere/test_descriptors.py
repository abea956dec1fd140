"""Contracts that are read at run time: what is taken, what is added, what is refused."""

import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2, text_format

from bedplate.contract.bindings import bindings
from bedplate.contract.policy import PolicyError, Visibility, resolve
from bedplate.gateway.elsewhere.descriptors import DescriptorError, read_files
from bedplate.gateway.elsewhere.policy import has_policy, policy_of
from tests.gateway.elsewhere.stranger import ROOT

SHIPPED = ROOT / "generated" / "descriptors" / "bedplate.binpb"


def file_of(text: str) -> descriptor_pb2.FileDescriptorProto:
    made = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    made.syntax = made.syntax or "proto3"
    return made


def service_file(
    name: str = "a/v1/a.proto", package: str = "a.v1", *, imports: tuple[str, ...] = (), more: str = ""
) -> descriptor_pb2.FileDescriptorProto:
    types = f'input_type: ".{package}.A" output_type: ".{package}.A"'
    made = file_of(
        f'name: "{name}" package: "{package}" message_type {{ name: "A" }} {more} '
        f'service {{ name: "AService" method {{ name: "Get" {types} }} }}'
    )
    made.dependency.extend(imports)
    return made


@pytest.fixture
def write(tmp_path):
    def write(*files, name="set.binpb"):
        path = tmp_path / name
        path.write_bytes(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
        return path

    return write


@pytest.mark.parametrize(
    "package", ["grpc.health.v1", "grpc.reflection.v1", "grpc.reflection.v1alpha", "grpc.channelz.v1"]
)
def test_services_are_found_and_those_for_grpc_clients_are_left_out(write, package):
    path = write(service_file(), service_file("b.proto", package))

    found = read_files([path])

    assert [service.full_name for service in found.services] == ["a.v1.AService"]


def test_a_package_that_begins_as_those_of_grpc_is_served(write):
    path = write(service_file("grpc/shop.proto", "grpc.gateway.shop.v1"))

    found = read_files([path])

    assert [service.full_name for service in found.services] == ["grpc.gateway.shop.v1.AService"]


def test_the_promises_of_a_contract_are_read_whatever_pool_it_is_in():
    found = read_files([SHIPPED])

    [ledger] = [service for service in found.services if service.name == "LedgerService"]
    method = ledger.methods_by_name["CreateLedger"]
    assert has_policy(method)
    assert policy_of(method).visibility is Visibility.PUBLIC
    assert [binding.path for binding in bindings(method)] == ["/v1/ledgers"]
    assert policy_of(method).auth == resolve(method).auth


def test_a_method_without_promises_is_public_lenient_and_ends_some_time(contract):
    [service] = read_files([contract]).services

    policy = policy_of(service.methods_by_name["GetBook"])
    stream = policy_of(service.methods_by_name["WatchBooks"])

    assert not has_policy(service.methods_by_name["GetBook"])
    assert (policy.visibility, policy.http.lenient, policy.auth) == (Visibility.PUBLIC, True, None)
    assert (policy.deadline_default_s, policy.deadline_max_s) == (30, 300)
    assert (stream.deadline_default_s, stream.deadline_max_s) == (600, 86_400)


def test_a_set_without_its_imports_gets_those_that_everybody_has(write):
    imports = (
        "google/api/annotations.proto",
        "google/protobuf/timestamp.proto",
        "google/rpc/status.proto",
        "buf/validate/validate.proto",
        "bedplate/v1/policy.proto",
    )

    found = read_files([write(service_file(imports=imports))])

    assert found.pool.FindFileByName("google/rpc/status.proto").name == "google/rpc/status.proto"


def test_an_import_that_is_nowhere_is_named_with_who_wants_it(write):
    path = write(service_file(imports=("b/v1/b.proto",)))

    with pytest.raises(DescriptorError) as raised:
        read_files([path])

    assert f"{path}: a/v1/a.proto imports b/v1/b.proto, which is not there" in str(raised.value)


def test_an_import_may_be_in_another_set(write):
    first = write(service_file(imports=("b/v1/b.proto",)))
    second = write(service_file("b/v1/b.proto", "b.v1"), name="other.binpb")

    found = read_files([first, second])

    assert {service.full_name for service in found.services} == {"a.v1.AService", "b.v1.AService"}


def test_two_versions_of_a_file_are_refused_and_both_sets_named(write):
    first = write(service_file())
    second = write(service_file(more='message_type { name: "B" }'), name="other.binpb")

    with pytest.raises(DescriptorError, match=r"set\.binpb and .*other\.binpb .* a/v1/a\.proto"):
        read_files([first, second])


def test_comments_make_no_other_version(write):
    with_comments = service_file()
    with_comments.source_code_info.location.add(path=[6, 0], leading_comments="A service.")
    first, second = write(service_file()), write(with_comments, name="other.binpb")

    assert read_files([first, second]).digest == read_files([first]).digest


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x01", b"syntax = proto3;", b"\x0a\x02\x10\x01", b'{"file": []}', b"\xff" * 100]
)
def test_what_is_no_descriptor_set_is_refused_with_how_one_is_made(tmp_path, data):
    path = tmp_path / "set.binpb"
    path.write_bytes(data)

    with pytest.raises(DescriptorError, match=r"set\.binpb is no descriptor set.*buf build -o"):
        read_files([path])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DescriptorError, match=r"none\.binpb cannot be read: No such file"):
        read_files([tmp_path / "none.binpb"])


def test_a_set_without_a_service_is_refused(write):
    with pytest.raises(DescriptorError, match="offers no service"):
        read_files([write(file_of('name: "a.proto" message_type { name: "A" }'))])


def test_a_file_that_contradicts_itself_is_refused_and_named(write):
    broken = service_file()
    broken.service[0].method[0].input_type = ".a.v1.Nowhere"

    with pytest.raises(DescriptorError, match=r"a/v1/a\.proto cannot be used"):
        read_files([write(broken)])


@pytest.mark.parametrize("kind", ["TYPE_STRING", "TYPE_INT32", "TYPE_BYTES"])
def test_a_strangers_option_with_the_number_of_ours_is_no_policy(write, kind):
    more = (
        f'extension {{ name: "owner" number: 50210 type: {kind} label: LABEL_OPTIONAL '
        'extendee: ".google.protobuf.MethodOptions" }'
    )
    file = service_file(imports=("google/protobuf/descriptor.proto",), more=more)
    value = b"\x92\xc2\x18\x03abc" if kind != "TYPE_INT32" else b"\x90\xc2\x18\x07"
    path = write()
    path.write_bytes(_set_of(_with_method_option(file, value)))

    [service] = read_files([path]).services

    assert not has_policy(service.methods[0])


def _with_method_option(file: descriptor_pb2.FileDescriptorProto, value: bytes) -> bytes:
    """The file's bytes with these as the options of its only method: no class of ours would take them."""
    method = file.service[0].method[0].SerializeToString() + b"\x22" + bytes([len(value)]) + value
    name = file.service[0].name.encode()
    service = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(method)]) + method
    bare = descriptor_pb2.FileDescriptorProto()
    bare.CopyFrom(file)
    del bare.service[:]
    return bare.SerializeToString() + b"\x32" + bytes([len(service)]) + service


def _set_of(file: bytes) -> bytes:
    size = len(file)
    assert size < 1 << 14
    return b"\x0a" + bytes([size & 0x7F | 0x80, size >> 7]) + file


def test_two_options_of_one_number_are_a_contradiction_that_is_told(write):
    strange = service_file(
        "b/v1/b.proto",
        "b.v1",
        imports=("google/protobuf/descriptor.proto",),
        more='extension { name: "owner" number: 50211 type: TYPE_STRING label: LABEL_OPTIONAL '
        'extendee: ".google.protobuf.ServiceOptions" }',
    )
    ours = service_file(imports=("bedplate/v1/policy.proto",))

    with pytest.raises(DescriptorError, match="duplicate extension"):
        read_files([write(strange, ours)])


def test_a_contract_that_cannot_be_kept_is_refused_by_name(write):
    ours = service_file(imports=("bedplate/v1/policy.proto",))
    text_format.Parse(
        "[bedplate.v1.policy] { deadline { default { seconds: 9 } max { seconds: 1 } } }",
        ours.service[0].method[0].options,
    )
    [service] = read_files([write(ours)]).services

    with pytest.raises(PolicyError, match=r"a\.v1\.AService/Get: deadline\.default"):
        policy_of(service.methods[0])


def test_the_digest_tells_contracts_apart(write):
    same = read_files([write(service_file())]).digest
    other = read_files([write(service_file(more='message_type { name: "B" }'))]).digest

    assert same == read_files([write(service_file())]).digest
    assert same != other


def test_reading_needs_no_module_of_the_contract():
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from bedplate.gateway.elsewhere.descriptors import read_files\n"
        f"found = read_files([Path({str(SHIPPED)!r})])\n"
        "print(len(found.services), 'bedplate.ledger.v1.ledger_pb2' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["3", "False"]
