"""Migrations of the rates tables."""

from bedplate.data.migrate import run

run()
