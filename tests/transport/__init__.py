"""Tests of bedplate.transport."""
