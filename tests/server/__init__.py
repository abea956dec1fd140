"""Tests of bedplate.server."""
