"""Relation: not kept yet; contracts that ask for it are refused at start (policy/enforced.py)."""

from bedplate.contract.policy import MethodPolicy
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Nothing yet."""
    return None
