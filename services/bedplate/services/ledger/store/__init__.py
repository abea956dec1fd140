"""The ledger's tables: SQL and nothing else.

`books` holds ledgers and accounts, `journal` what was posted to them, `holds`
what was set aside, `failures` what was refused for good.
Every function takes the tenant first, after the connection.
"""
