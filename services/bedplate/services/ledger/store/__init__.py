"""The ledger's tables: SQL and nothing else.

`books` holds ledgers and accounts, `journal` holds what was posted to them.
Every function takes the tenant first, after the connection.
"""
