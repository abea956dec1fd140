"""What tests of deployments share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from bedplate.auth.keys import create_key
from tests.deploy.names import Names
from tests.deploy.pods import Cluster


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The key file of all services, and a key of it."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    scopes = ["ledger.read", "ledger.write", "rates.read", "rates.write"]
    return path, create_key(path, tenant="acme", scopes=scopes)[1]


@pytest.fixture(scope="module")
def cluster(authority: trustme.CA) -> Iterator[Cluster]:
    """What pods share."""
    with Names() as names:
        yield Cluster(names, authority)
