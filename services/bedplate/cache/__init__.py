"""Answers that are kept for a while."""
