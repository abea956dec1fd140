"""Tests of the simulator, and scenarios of what it simulates."""
