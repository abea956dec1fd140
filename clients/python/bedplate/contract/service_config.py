"""The gRPC service config that follows from a contract: retries and load balancing.

gRPC clients of every language take it as JSON. Where it holds a `timeout`,
that is the policy's default deadline: it bounds callers that name none, and
also those that ask for more.

C-core languages (Python, C++, Ruby, PHP, C#, Objective-C) must not get a
`timeout`: C-core fires it 1 to 2 s early and, at 1 s and below, at once
(grpc/grpc#34547, #40633). bedplate's Python client sets an explicit deadline
on each call instead.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from bedplate.contract.policy import (
    RETRY_TOKEN_RATIO,
    RETRY_TOKENS,
    MethodPolicy,
    PolicyError,
    Retry,
    resolve,
    service_policy,
)

RETRY_TOKENS_MAX = 1000


def service_config(*services: ServiceDescriptor, timeouts: bool, hedges: bool = False) -> dict[str, Any]:
    """The service config of one channel, as JSON would hold it.

    Args:
        services: What is called over the channel. One retry budget holds for
            the whole channel: the tightest of theirs.
        timeouts: Whether each method has its default deadline in it; False for
            C-core languages.
        hedges: Whether the caller hedges by itself, as bedplate's Python client
            does, so that gRPC must not send its attempts again.

    Raises:
        PolicyError: A policy contradicts itself or leaves its bounds.
    """
    methods = [
        _method_config(resolve(method), timeouts=timeouts, hedges=hedges)
        for service in services
        for method in service.methods
    ]
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        # A server that is about to stop says so on this one stream; clients then
        # take another before it refuses them. Empty: the server as a whole.
        "healthCheckConfig": {"serviceName": ""},
        "methodConfig": methods,
    }
    if any("retryPolicy" in method or "hedgingPolicy" in method for method in methods):
        size, ratio = retry_budget(services)
        # gRPC reads three digits after the point and takes no 0.
        config["retryThrottling"] = {"maxTokens": size, "tokenRatio": max(round(ratio, 3), 0.001)}
    return config


def _method_config(policy: MethodPolicy, *, timeouts: bool, hedges: bool) -> dict[str, Any]:
    service, _, method = policy.method.partition("/")
    # A caller is told at once that nobody answers, and not only at its deadline.
    config: dict[str, Any] = {"name": [{"service": service, "method": method}], "waitForReady": False}
    if timeouts:
        config["timeout"] = duration(policy.deadline_default_s)
    if policy.hedge is not None and timeouts:
        config["hedgingPolicy"] = {
            "maxAttempts": policy.hedge.max_attempts,
            "hedgingDelay": duration(policy.hedge.delay_s),
            "nonFatalStatusCodes": list(policy.hedge.codes),
        }
        return config
    retry = policy.retry
    if policy.hedge is not None and not hedges:
        # C-core passes a hedgingPolicy over without a word; what fails is at least sent again.
        retry = Retry(policy.hedge.max_attempts, codes=policy.hedge.codes)
    if retry is not None:
        config["retryPolicy"] = {
            "maxAttempts": retry.max_attempts,
            "initialBackoff": duration(retry.initial_backoff_s),
            "maxBackoff": duration(retry.max_backoff_s),
            "backoffMultiplier": retry.backoff_multiplier,
            "retryableStatusCodes": list(retry.codes),
        }
    return config


def retry_budget(services: Iterable[ServiceDescriptor]) -> tuple[int, float]:
    """Tokens and the part of one that a success gives back: the tightest of these services.

    Raises:
        PolicyError: A service's budget leaves its bounds.
    """
    tokens, ratios = [], []
    for service in services:
        budget = service_policy(service).retry_budget
        tokens.append(budget.max_tokens or RETRY_TOKENS)
        ratios.append(budget.token_ratio or RETRY_TOKEN_RATIO)
        if not 1 <= tokens[-1] <= RETRY_TOKENS_MAX:
            raise PolicyError(f"{service.full_name}: retry_budget.max_tokens must be 1 to {RETRY_TOKENS_MAX}")
        if not 0 < ratios[-1] <= 1:
            raise PolicyError(f"{service.full_name}: retry_budget.token_ratio must be above 0 and at most 1")
    return min(tokens), min(ratios)


def duration(seconds: float) -> str:
    """A duration as protobuf's JSON writes it, such as `0.05s`."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
