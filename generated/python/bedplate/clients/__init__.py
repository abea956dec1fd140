"""Typed clients, one module for each package of contracts."""
