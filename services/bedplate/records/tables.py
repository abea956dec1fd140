"""Where the platform's own tables come from: revisions like those of a service, under its own name."""

from pathlib import Path

# Of the version table and of `bedplate migrate`; no service may be called so.
NAME = "bedplate"
SCHEMA = Path(__file__).parent / "schema"
