"""Tenants see nothing of one another."""
