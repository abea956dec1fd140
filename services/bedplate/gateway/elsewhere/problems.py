"""Problems whose reason nobody declared: no page tells of it, so they are of no type (RFC 9457, 4.2.1)."""

from bedplate.contract import reasons
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.gateway.problem import PROBLEMS
from bedplate.pipeline.failure import Failure


def compile(endpoint: Endpoint) -> Feature:
    """Have a problem's type lead to a page, or nowhere."""
    file = endpoint.method.descriptor.containing_service.file
    known = {*reasons.platform(), *reasons.of_file(file)}

    def failed(request: Request, response: Response, failure: Failure) -> None:
        if failure.reason not in known:
            page = f'"type":"{PROBLEMS}{failure.reason}"'.encode()
            response.body = response.body.replace(page, b'"type":"about:blank"', 1)

    return Feature("problems", failed=failed)
