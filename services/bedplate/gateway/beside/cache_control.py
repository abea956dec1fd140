"""How long callers may keep an answer: `cache-control` (RFC 9111), by `cache.http_max_age` of the policy."""

from bedplate.contract.policy import MethodPolicy
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response


def compile(endpoint: Endpoint) -> Feature | None:
    """Say it in place of `no-store`; None for POST, whose answers nobody keeps."""
    if endpoint.binding.http_method == "POST":
        return None
    method = endpoint.method

    def tell(request: Request, response: Response) -> None:
        policy = method.policy  # as it is now: operators may shorten it while the process runs
        if policy.cache is None or not policy.cache.http_max_age_s or request.method == "POST":
            return
        response.set("cache-control", _value(policy, int(policy.cache.http_max_age_s)))
        if not _is_open(policy):
            response.add("vary", "authorization")

    return Feature("cache_control", reply=tell)


def _value(policy: MethodPolicy, seconds: int) -> str:
    """Proxies may keep it too only where nobody needs a credential for it."""
    return f"{'public' if _is_open(policy) else 'private'}, max-age={seconds}"


def _is_open(policy: MethodPolicy) -> bool:
    return policy.auth is not None and policy.auth.anonymous
