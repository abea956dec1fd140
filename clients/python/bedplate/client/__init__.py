"""Calls services by their contracts: deadlines, retries, typed errors, ids."""
