"""Runs the platform's own revisions."""

from bedplate.data.migrate import run

run()
