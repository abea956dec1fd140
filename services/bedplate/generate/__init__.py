"""Writes what follows from the contracts: service configs, typed clients, references."""
