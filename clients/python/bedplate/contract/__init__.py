"""What a contract promises, as both sides read it: server, gateway and clients.

Needs nothing but the base distribution.
"""
