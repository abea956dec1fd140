"""A door for those that look after the process: whether it lives, takes calls, and what it counts."""

from collections.abc import Callable

from bedplate.gateway import pages
from bedplate.gateway.app import Gateway
from bedplate.settings import Settings
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.http import HttpDoor

# Probes and scrapers: a handful, each with a connection or two.
CONNECTIONS_MAX = 64


class HealthDoor:
    """Answers `/healthz`, `/readyz` and `/metrics` on an address of its own, without TLS.

    A kubelet shows no certificate, so where callers must show one nobody could
    ask the HTTP door. It opens before everything else and closes after it: a
    process that migrates its tables, or drains, can be told from a dead one.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, ready: Callable[[], bool]) -> None:
        """Prepare it.

        Args:
            settings: Its address, and the limits of HTTP.
            telemetry: What `/metrics` shows.
            ready: What `/readyz` tells.
        """
        own = settings.model_copy(
            update={
                "http_address": settings.health_address,
                "http_connections": CONNECTIONS_MAX,
                "http_connections_per_address": CONNECTIONS_MAX,
                "tls_certificate": None,
                "tls_key": None,
                "tls_client_ca": None,
                "trusted_proxies": frozenset(),
            }
        )
        # What is asked here is no call: neither metrics nor the drain count it.
        apart = Telemetry(log=telemetry.log)
        gateway = Gateway((), apart, pages=pages.pages(telemetry, ready))
        # It never asks to connect elsewhere: whoever asks means this very process.
        self._door = HttpDoor({}, own, apart, lambda: True, gateway=gateway)

    @property
    def address(self) -> str:
        """Where it listens, `host:port`, once it was started."""
        return self._door.address

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or is none of this machine's.
        """
        try:
            await self._door.start()
        except OSError as error:
            address = self._door.settings.http_address
            raise OSError(
                f"cannot listen on {address} for health; free the port, or set BEDPLATE_HEALTH_ADDRESS to "
                f"another than {address.rpartition(':')[2]}"
            ) from error

    async def stop(self) -> None:
        """Close it."""
        await self._door.stop(0.0)
