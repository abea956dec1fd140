"""The refusal of a call for which there is no room, made so that it costs little.

It is sent when the process has no time to spare, so the status is made once for
each wait that it can ask for, and so are the trailers of the gRPC door.
"""

from functools import cache
from math import ceil

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from bedplate.pipeline.failure import Failure, make_status

CODE = "RESOURCE_EXHAUSTED"
REASON = "OVERLOADED"
SENTENCE = "The server has more to do than it can; call again after the time in RetryInfo."

# What a caller can be asked to wait: these steps, of which the next longer is taken. Seconds.
STEP_S = 0.05
WAIT_MAX_S = 5.0


@cache
def _status(steps: int) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=REASON, domain="bedplate")
    delay = Duration()
    delay.FromMilliseconds(round(steps * STEP_S * 1000))
    return make_status(CODE, SENTENCE, [info, error_details_pb2.RetryInfo(retry_delay=delay)])


def overloaded(wait_s: float) -> Failure:
    """The refusal; `wait_s` is when a slot is likely to be free, seconds from now."""
    steps = max(1, ceil(min(wait_s, WAIT_MAX_S) / STEP_S))
    return Failure(_status(steps), reason=REASON, retry_after_s=steps * STEP_S)
