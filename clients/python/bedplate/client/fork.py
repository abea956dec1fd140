"""Knows whether gRPC can still be used in this process.

What grpcio has set up for asyncio stops working in a forked child, and calls
then hang for ever: its thread is not there. So a child of a process that has
called is told at once.
"""

import os

_used = False
_broken = False


def use() -> None:
    """GRPC is about to be used.

    Raises:
        RuntimeError: A parent of this process used it before it forked.
    """
    global _used
    if _broken:
        raise RuntimeError(
            "gRPC was used before this process was forked, and does not work after that; fork before the "
            "first call, or start processes by spawn (multiprocessing.set_start_method('spawn'))"
        )
    _used = True


def _forked() -> None:
    global _broken
    _broken = _used


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
