"""Fits an answer into gRPC trailers, whose size every client limits."""

from google.rpc import error_details_pb2, status_pb2

from bedplate.contract.headers import PUSHBACK, STATUS_DETAILS

# Clients on gRPC core take 8 KiB of metadata and fail the call without a word of
# ours when there is more. The status is sent in base64, which adds a third, and
# its sentence once more, escaped.
STATUS_BYTES_MAX = 4 * 1024
SENTENCE_MAX = 256  # characters of 1 to 4 bytes
FACTS_BYTES_MAX = 1024

# What may be better in the next attempt. gRPC's clients make none once they have
# headers, so these answers have theirs among the trailers.
TRIED_AGAIN = frozenset({"ABORTED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})

Trailers = tuple[tuple[str, str | bytes], ...]


def trailers(
    status: status_pb2.Status, retry_after_s: float | None, left_s: float | None = None
) -> tuple[str, Trailers]:
    """The sentence and the trailing metadata of an answer that is not OK.

    Args:
        status: The answer.
        retry_after_s: When the caller should try again; None: it may decide.
        left_s: What the caller has left. Where it is to wait for longer, it is
            told not to try again: gRPC core would wait until its deadline, and
            then tell it of that and not of what was wrong.
    """
    fitting = status if status.ByteSize() <= STATUS_BYTES_MAX else _shortened(status)
    sent: Trailers = ((STATUS_DETAILS, fitting.SerializeToString()),)
    if retry_after_s is not None:
        pushback_ms = round(retry_after_s * 1000) if left_s is None or retry_after_s < left_s else -1
        sent += ((PUSHBACK, str(pushback_ms)),)
    return fitting.message, sent


def _shortened(status: status_pb2.Status) -> status_pb2.Status:
    """As much of the status as fits. The reason always does; violations have what the rest leaves."""
    short = status_pb2.Status(code=status.code, message=status.message[:SENTENCE_MAX])
    info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(info):
            short.details.add().Pack(_shortened_info(info))
        elif not detail.Unpack(wrong) and detail.ByteSize() < FACTS_BYTES_MAX:
            short.details.add().CopyFrom(detail)
    fitting = error_details_pb2.BadRequest()
    room = STATUS_BYTES_MAX - short.ByteSize() - 128  # the type's name and lengths
    for violation in wrong.field_violations:
        room -= violation.ByteSize() + 8
        if room < 0:
            break
        fitting.field_violations.append(violation)
    if fitting.field_violations:
        short.details.add().Pack(fitting)
    return short


def _shortened_info(info: error_details_pb2.ErrorInfo) -> error_details_pb2.ErrorInfo:
    short = error_details_pb2.ErrorInfo(reason=info.reason, domain=info.domain)
    room = FACTS_BYTES_MAX
    for name, value in info.metadata.items():
        room -= len(name) + len(value.encode())
        if room < 0:
            break
        short.metadata[name] = value
    return short
