"""Takes what is sensitive out of what people read; see `bedplate.contract.redact`, which callers have too."""

from bedplate.contract.redact import (
    MASK,
    SEARCH_MIN,
    has_sensitive,
    is_sensitive,
    redacted,
    safe_text,
    scrub,
)

__all__ = ["MASK", "SEARCH_MIN", "has_sensitive", "is_sensitive", "redacted", "safe_text", "scrub"]
