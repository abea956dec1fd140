"""How gRPC core is told to work, before it is loaded; afterwards it does not listen."""

import os

# Since 1.7x core reads and writes sockets on threads of its own and hands every
# event to the thread that waits for it, which costs two thread switches an event.
# Without that, the waiting thread does it itself: a fifth less CPU a call
# (docs/performance.md). A core that does not know the name says so in its log
# and goes on.
EXPERIMENTS = "-event_engine_listener"


def tune() -> None:
    """Choose core's settings; what the operator set in GRPC_EXPERIMENTS or GRPC_VERBOSITY stays.

    To be called before anything imports `grpc`, as the `bedplate` command does.
    """
    os.environ.setdefault("GRPC_EXPERIMENTS", EXPERIMENTS)
    # Core would write lines of its own between ours, about what callers did wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
