"""How grpcio is made safe for callers that nobody knows; as it comes, it has no limits."""

from collections.abc import Iterable

from bedplate.pipeline.compile import Method
from bedplate.settings import Settings

# A message may be this many times the contract's limit before gRPC itself ends
# the call without our reason, field and sentence.
RECEIVE_FACTOR = 4
BYTES_MAX = 2**31 - 1

# Calls of a method that may wait in core; at 5,000 a second they wait 100 ms.
PENDING_SOME = 512
PENDING_ALL = 1024

# Callers may ping this often; more is a flood and ends the connection. Clients
# of all languages ask for 10 s or more.
PING_INTERVAL_S = 10
PING_STRIKES = 2
# A connection whose peer went away without a word is found after these.
KEEPALIVE_S = 60
KEEPALIVE_ANSWER_S = 20


def server_options(settings: Settings, methods: Iterable[Method]) -> list[tuple[str, int]]:
    """Channel arguments of a server for these methods."""
    policies = [method.policy for method in methods]
    request_bytes = max((policy.request_bytes for policy in policies), default=1)
    longest_s = max((policy.deadline_max_s for policy in policies), default=0.0)
    return [
        # Without it a second server binds the same port and takes half of the calls, silently.
        ("grpc.so_reuseport", 0),
        # Nobody asks for channelz here, and keeping its books costs 6 us a call.
        ("grpc.enable_channelz", 0),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.max_allowed_incoming_connections", settings.grpc_connections),
        # A value that gRPC cannot parse spoils its entry of the header table, and with it
        # every later call that refers to its name: without a table nothing is remembered,
        # for 0.7 us a call.
        ("grpc.http2.hpack_table_size.decoder", 0),
        # Windows stay at what HTTP/2 begins with, 64 KiB a call, whatever a peer's speed suggests:
        # that bounds what it can make us keep, and saves the pings that measure it (5 us a call).
        ("grpc.http2.bdp_probe", 0),
        # Calls of one method that wait in core because the loop has no time for them: from the
        # first on some are refused, from the second on all. It gives no reason, costs us nothing,
        # and a queue that is longer only makes all of them late.
        ("grpc.server.max_pending_requests", PENDING_SOME),
        ("grpc.server.max_pending_requests_hard_limit", PENDING_ALL),
        # Between the two, grpcio refuses at random.
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.max_receive_message_length", min(RECEIVE_FACTOR * request_bytes, BYTES_MAX)),
        ("grpc.max_send_message_length", -1),  # the pipeline's own limit answers with a reason
        ("grpc.max_connection_age_ms", _ms(settings.connection_age_s)),
        # No call that is within its deadline is cut off by the connection's age.
        ("grpc.max_connection_age_grace_ms", _ms(longest_s + 1)),
        ("grpc.max_connection_idle_ms", _ms(settings.connection_idle_s)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_S * 1000),
        ("grpc.http2.max_ping_strikes", PING_STRIKES),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER_S * 1000),
    ]


def _ms(seconds: float) -> int:
    return min(int(seconds * 1000), BYTES_MAX)
