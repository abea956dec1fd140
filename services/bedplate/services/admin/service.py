"""Builds the admin service, which every process has."""

from bedplate.admin.v1 import admin_pb2
from bedplate.server.service import Context, Service, ServiceType
from bedplate.services.admin.handlers import AdminHandlers


def build(context: Context) -> Service:
    """The service, with the process that it operates."""
    return Service(
        name="admin",
        descriptor=admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
        handlers=AdminHandlers(context),
        operates=True,
    )


SERVICE = ServiceType(name="admin", build=build)
