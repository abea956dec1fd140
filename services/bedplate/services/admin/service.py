"""Builds the admin service, which every process has."""

from bedplate.admin.v1 import admin_pb2
from bedplate.server.service import Context, Service, ServiceType
from bedplate.services.admin.handlers import AdminHandlers


def build(context: Context) -> Service:
    """The service, with the process that it operates."""
    process = context.process
    assert process is not None, "the admin service is built by a process"
    return Service(
        name="admin",
        descriptor=admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
        handlers=AdminHandlers(
            process.parts.live.faults,
            process.methods,
            context.page_tokens,
            forbidden=context.settings.production,
        ),
        operates=True,
    )


SERVICE = ServiceType(name="admin", build=build)
