"""The services that ship with bedplate, all of one shape.

Each folder's `service.py` exports `SERVICE`, a `ServiceType`.
"""
