"""Contracts of others whose http rules do not fit: the start says which method it is and what of it."""

import re
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bedplate.contract.policy import PolicyError
from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge

METHOD = "CreateBook"


def with_rule(path: Path, **parts: str) -> Path:
    """The library's contract with other parts of the rule of a method."""
    files = FileDescriptorSet.FromString(stranger.compiled())
    [file] = [file for file in files.file if file.package == "stranger.v1"]
    method = next(method for method in file.service[0].method if method.name == METHOD)
    rule = method.options.Extensions[annotations_pb2.http]
    for name, value in parts.items():
        setattr(rule, name, value)
    path.write_bytes(files.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"post": "/v1/books/{book}x"}, "the template '/v1/books/{book}x' is wrong"),
        ({"post": "/v1/books/{nothing}"}, "nothing"),
        ({"body": "nothing"}, "nothing"),
        ({"body": "book.nothing"}, "book.nothing"),
        ({"response_body": "nothing"}, "nothing"),
    ],
    ids=str,
)
async def test_a_rule_that_does_not_fit_stops_the_start_with_the_name_of_its_method(tmp_path, parts, said):
    contracts = with_rule(tmp_path / "wrong.binpb", **parts)

    with pytest.raises(PolicyError, match=rf"stranger\.v1\.LibraryService/{METHOD}.*{re.escape(said)}"):
        async with open_edge("127.0.0.1:9", contracts):
            pass
