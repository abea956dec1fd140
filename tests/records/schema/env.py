"""Runs the till's revisions."""

from bedplate.data.migrate import run

run()
