"""Metadata as the tables keep it: a JSON object, its keys in order."""

import json

from bedplate.services.ledger.domain import Metadata


def to_text(metadata: Metadata) -> str:
    """What is stored."""
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":")) if metadata else "{}"


def from_text(text: str) -> Metadata:
    """What was stored."""
    return () if text == "{}" else tuple(json.loads(text).items())
