"""Answers that are kept for a while, as a method's cache policy says.

Services get it as `context.cache` and say with `invalidate` what is no longer
true; the cache stage of the pipeline does the rest.
"""

from bedplate.cache.answers import Answers
from bedplate.cache.entry import Entry, Key
from bedplate.cache.level import Level

__all__ = ["Answers", "Entry", "Key", "Level"]
