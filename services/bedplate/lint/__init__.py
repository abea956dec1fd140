"""Mistakes in contracts, and what a change of them breaks: `bedplate check`, `bedplate breaking`."""
