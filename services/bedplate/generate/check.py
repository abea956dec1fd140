"""What a server would refuse at its start, told when the contract is generated from."""

from collections.abc import Iterable, Iterator

import protovalidate
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from bedplate.contract.bindings import bindings
from bedplate.contract.policy import PolicyError, Visibility
from bedplate.gateway.beside.lenient import LenientPlan
from bedplate.gateway.routes import Route, Routes, parse
from bedplate.gateway.transcode import Plan
from bedplate.generate.descriptors import Contracts
from bedplate.generate.places import Places
from bedplate.pipeline.violations import check_rules
from bedplate.policy.enforced import check_method
from bedplate.v1 import policy_pb2


def mistakes(contracts: Contracts, places: Places) -> Iterator[str]:
    """What is wrong with contracts, a line for each mistake, with file and line."""
    yield from _misplaced(contracts.files, places)
    yield from _without_code(contracts.files, places)
    routes, rules = Routes(), protovalidate.Validator()
    for service in contracts.services:
        for method in service.methods:
            try:
                _check(method, routes)
                check_rules(method, rules)
            except PolicyError as error:
                yield places.locate(_named(method, str(error)))


def _check(method: MethodDescriptor, routes: Routes) -> None:
    policy = check_method(method)
    if policy.visibility is Visibility.INTERNAL or method.client_streaming or method.server_streaming:
        return
    for binding in bindings(method):
        template = parse(binding.path, tails=policy.http.lenient)
        (LenientPlan if policy.http.lenient else Plan)(method, binding, template)
        routes.add(Route(binding.http_method, template, policy.method, method))


def _named(method: MethodDescriptor, sentence: str) -> str:
    """The sentence, with the method's name before it when it says nothing of it."""
    if method.name in sentence:
        return sentence
    return f"{method.containing_service.full_name}/{method.name}: {sentence}"


def _misplaced(files: Iterable[FileDescriptor], places: Places) -> Iterator[str]:
    """Files that are not in the folder of their package: their modules could not be imported."""
    for file in files:
        wanted = file.package.replace(".", "/")
        if file.name.rpartition("/")[0] != wanted:
            what = f"move it to {wanted}/" if wanted else "give it a package, such as acme.greeter.v1"
            yield f"{places.package(file.name)}: a file lies in the folder of its package; {what}"


def _without_code(files: Iterable[FileDescriptor], places: Places) -> Iterator[str]:
    """Reasons that nobody could refuse with."""
    for file in files:
        for enum in file.enum_types_by_name.values():
            if not enum.GetOptions().HasExtension(policy_pb2.reasons):
                continue
            for value in enum.values:
                if value.number and not value.GetOptions().Extensions[policy_pb2.reason].code:
                    yield places.locate(
                        f"{file.package}.{value.name} has no code; write [(bedplate.v1.reason) = "
                        '{code: NOT_FOUND help: "..."}], with the code that it goes with'
                    )
