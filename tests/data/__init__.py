"""Tests of bedplate.data."""
