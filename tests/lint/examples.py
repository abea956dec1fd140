"""Makes whole files of the examples in the pages, and compiles all of them at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bedplate.lint.compile import descriptors
from bedplate.lint.contract import Contract

ARROW = "// <-"
_HEAD = """\
// A shop.
syntax = "proto3";

package {package};

import "bedplate/v1/policy.proto";
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/longrunning/operations_proto.proto";
import "google/protobuf/field_mask.proto";

"""
_SERVICE = """\
// Sells things.
service ShopService {
  option (bedplate.v1.service) = {
    owner: "shop"
    defaults: {auth: {all_scopes: "shop.read"} deadline: {default: {seconds: 2} max: {seconds: 10}}}
  };
"""
_RPC = re.compile(r"rpc (\w+)\(([\w.]+)\) returns \((?:stream )?([\w.]+)\)")
_NAMED = re.compile(
    r"\s*(rpc|message|enum|service|(repeated |optional )?[\w.<>, ]+ \w+ = \d+|[A-Z][A-Z0-9_]+ = \d+)\b"
)
_REQUIRED = "[(google.api.field_behavior) = REQUIRED]"


@dataclass(frozen=True)
class Example:
    """A contract as it stands in a page.

    Attributes:
        name: A word that no other example of a run has.
        text: The whole file.
    """

    name: str
    text: str

    @property
    def file(self) -> str:
        return f"acme/{self.name}/v1/shop.proto"

    @property
    def lines(self) -> set[int]:
        """Lines at which an arrow points."""
        return {number for number, line in enumerate(self.text.splitlines(), 1) if ARROW in line}

    def line(self, start: str) -> int:
        """The first line that begins so."""
        return next(n for n, line in enumerate(self.text.splitlines(), 1) if line.strip().startswith(start))


def before(diff: str) -> str:
    """What a diff takes away, and what stays."""
    return "".join(f"{line[1:]}\n" for line in diff.splitlines() if not line.startswith("+"))


def after(diff: str) -> str:
    """What a diff adds, and what stays."""
    return "".join(f"{line[1:]}\n" for line in diff.splitlines() if not line.startswith("-"))


def whole(name: str, fragment: str, *, comments: bool = True) -> Example:
    """A file of a fragment: methods go into a service, messages that are not there are made."""
    package = f"acme.{name}.v1"
    said = re.search(r"^package acme\.shop\.(\w+);\n", fragment, re.M)
    if said:
        package, fragment = f"acme.{name}.{said[1]}", fragment.replace(said[0], "")
    blocks = list(_blocks(fragment))
    methods = [block for block in blocks if re.search(r"^rpc ", block, re.M)]
    others = [block for block in blocks if block not in methods]
    body = "".join(re.sub(r"^(?=.)", "  ", block, flags=re.M) for block in methods)
    service = f"{_SERVICE}{body}}}\n" if methods else ""
    made = "".join(dict.fromkeys(_missing(fragment)))
    text = _HEAD.format(package=package) + service + "".join(others) + made
    text = text.replace("acme.shop.v1", package)
    return Example(name, _commented(text) if comments else text)


def compiled(examples: Iterable[Example], folder: Path) -> Mapping[str, Contract]:
    """The contract of each example, by its name; one run of the compiler for all of them."""
    examples = list(examples)
    for example in examples:
        path = folder / example.file
        path.parent.mkdir(parents=True)
        path.write_text(example.text)
    content = descriptors(folder, [example.file for example in examples])
    mine = {example.file: example for example in examples}
    found = {}
    for proto in content.file:
        if proto.name in mine:
            others = [other for other in content.file if other.name not in mine]
            example = mine[proto.name]
            found[example.name] = Contract(
                FileDescriptorSet(file=[*others, proto]),
                [proto.name],
                folder="protos",
                texts={proto.name: example.text},
            )
    return found


def _blocks(fragment: str) -> Iterator[str]:
    """Top-level parts of a fragment, each with the comment before it."""
    depth, block = 0, ""
    for line in fragment.splitlines(keepends=True):
        block += line
        code = line.partition("//")[0]
        depth += code.count("{") - code.count("}")
        if depth == 0 and code.strip().endswith(("}", ";")):
            yield block
            block = ""
    assert not block.strip(), f"the example does not end: {block}"


def _missing(fragment: str) -> Iterator[str]:
    for method, request, response in _RPC.findall(fragment):
        rule = fragment.partition(f"rpc {method}(")[2].partition("rpc ")[0]
        if f"message {request} " not in fragment and "." not in request:
            yield _request(request, re.findall(r"{(\w+)}", rule))
        if f"message {response} " not in fragment and "." not in response:
            yield _response(response)


def _request(name: str, variables: list[str]) -> str:
    if name.startswith("List"):
        fields = [
            "int32 page_size = 1 [(buf.validate.field).int32 = {gte: 0 lte: 1000}];",
            "string page_token = 2;",
        ]
    else:
        names = dict.fromkeys(["shop_id", *variables])
        fields = [f"string {one} = {number} {_REQUIRED};" for number, one in enumerate(names, 1)]
    return f"message {name} {{\n" + "".join(f"  {field}\n" for field in fields) + "}\n"


def _response(name: str) -> str:
    fields = "  repeated string things = 1;\n  string next_page_token = 2;\n"
    return f"message {name} {{\n{fields if name.startswith('List') else '  string text = 1;'}\n}}\n"


def _commented(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines():
        if _NAMED.match(line) and not (lines and lines[-1].lstrip().startswith("//")):
            lines.append("// What it is.")
        lines.append(line)
    return "\n".join(lines) + "\n"
