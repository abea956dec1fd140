"""Header lines that every response ends with: Date, and what keeps browsers from misusing it."""

import time
from email.utils import formatdate

from bedplate.gateway.exchange import Response
from bedplate.settings import Settings

# A response is what its content type says, and tells no other site where its
# reader came from.
_ALL = "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"

# Shown as a page, a response loads nothing and stands in no frame.
_DATA = "content-security-policy: default-src 'none'; form-action 'none'; frame-ancestors 'none'\r\n"

# A year, RFC 6797. Other names of the domain are not ours to decide about.
_TLS_ONLY = "strict-transport-security: max-age=31536000\r\n"


class MoreLines:
    """Made once a second, so that they cost a response nothing.

    `strict-transport-security` is said by who ends TLS: this server where it
    has the certificate, or else the proxy that has it. A server that only this
    machine can reach does not: for browsers all of `localhost` would be meant.
    """

    def __init__(self, settings: Settings) -> None:
        tls_only = settings.tls_certificate is not None and settings.exposed
        self._page = _ALL + (_TLS_ONLY if tls_only else "")
        self._second = 0
        self._page_lines = self._data_lines = b""

    def lines(self, response: Response) -> bytes:
        """The lines for a response now."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            page = f"date: {formatdate(second, usegmt=True)}\r\n{self._page}"
            self._page_lines, self._data_lines = page.encode(), (page + _DATA).encode()
        return self._page_lines if response.own_policy else self._data_lines
