"""The ledger's tables: SQL and nothing else.

`books` holds ledgers and accounts, `journal` what was posted to them, `holds`
what was set aside, `failures` what was refused for good; `history` adds up
what was so as of a time.
Every function takes the tenant first, after the connection.
"""
