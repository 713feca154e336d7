"""Sockets that pynetdicom can close: it does only where shutting one down went well, which fails where the other side is gone."""

import contextlib
import socket
import ssl


class Line(socket.socket):
    """A plain one."""

    def shutdown(self, how: int) -> None:
        """Of one that is shut down already: nothing."""
        with contextlib.suppress(OSError):
            super().shutdown(how)


class TlsLine(ssl.SSLSocket):
    """An encrypted one; a context makes them where it is its `sslsocket_class`."""

    def shutdown(self, how: int) -> None:
        """Of one that is shut down already, or never came to be: nothing."""
        with contextlib.suppress(OSError):
            super().shutdown(how)
