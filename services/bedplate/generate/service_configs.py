"""Writes the gRPC service config of each service, as JSON, for clients in any language.

`<service>.json` is for Go, Java and TypeScript; `<service>.c-core.json`, which
has no timeouts, for Python, C++, Ruby and the other C-core languages; see
`bedplate.contract.service_config`.
"""

import json
from collections.abc import Iterator

from bedplate.contract.service_config import service_config
from bedplate.generate.descriptors import Contracts


def files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the output folder, and content, of each file."""
    for service in contracts.services:
        for ending, timeouts in ((".json", True), (".c-core.json", False)):
            config = service_config(service, timeouts=timeouts)
            yield f"service_config/{service.full_name}{ending}", json.dumps(config, indent=2) + "\n"
