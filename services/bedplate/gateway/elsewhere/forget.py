"""Lets contracts go that are served no more.

What the code remembers of a type (its plan, whether it has secrets) holds the
type's whole pool. Which modules remember something changes more often than
this does, so all of them forget all of it: reloads are rare, and what is
needed is found again at its first use.
"""

import sys

from bedplate.gateway.codec import plan


def forget() -> None:
    """Forget what is remembered of types."""
    plan.forget()
    for name, module in list(sys.modules.items()):
        if name.startswith("bedplate."):
            for value in list(vars(module).values()):
                clear = getattr(value, "cache_clear", None)
                if clear is not None and getattr(value, "__module__", "") == name:
                    clear()
