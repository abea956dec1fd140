"""Builds the rates service."""

from pathlib import Path

from bedplate.rates.v1 import rates_pb2
from bedplate.server.service import Context, Service, ServiceType
from bedplate.services.rates.handlers import RatesHandlers


def build(context: Context) -> Service:
    """The service, with what the process offers."""
    return Service(
        name="rates",
        descriptor=rates_pb2.DESCRIPTOR.services_by_name["RatesService"],
        handlers=RatesHandlers(context.database, context.page_tokens, context.cache),
    )


SERVICE = ServiceType(name="rates", build=build, schema=Path(__file__).parent / "schema")
