"""Runs the ledger's revisions."""

from bedplate.data.migrate import run

run()
