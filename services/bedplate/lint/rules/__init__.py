"""The rules of `bedplate check`, by theme; importing this registers all of them."""

from bedplate.lint.rules import errors, fields, graph, http, methods, paging, promises, retries, text

__all__ = ["errors", "fields", "graph", "http", "methods", "paging", "promises", "retries", "text"]
