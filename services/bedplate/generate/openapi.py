"""Writes `openapi/<noun>.json`, and the comments of each contract beside its Python messages.

The comments (`<noun>.docs.json`) are how a running server knows what its
contract says: protobuf leaves them out of the messages that it generates.
"""

import json
from collections.abc import Iterator

from bedplate.gateway.openapi import document
from bedplate.generate.descriptors import Contracts


def files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the output folder, and content, for each package with a public method."""
    docs = contracts.comments
    for service in contracts.services:
        made = document(service.methods, docs)
        if made["paths"]:
            noun = service.file.package.split(".")[-2 if "." in service.file.package else 0]
            made["info"]["version"] = service.file.package.rpartition(".")[2]
            yield f"openapi/{noun}.json", _text(made)


def docs_files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the Python root, and content: comments by full name, for each file with a service."""
    docs = contracts.comments
    for file in contracts.files:
        if not file.services_by_name:
            continue
        prefix = f"{file.package}."
        own = {name: text for name, text in sorted(docs.items()) if name.startswith(prefix)}
        yield file.name.removesuffix(".proto") + ".docs.json", _text(own)


def _text(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
