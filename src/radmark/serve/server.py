"""The service on a port, until it is told to stop; then it finishes what it has accepted."""

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

import uvicorn

from radmark.core.errors import InputError
from radmark.serve.app import Model, create_app, told_at_start
from radmark.serve.engine import Limits
from radmark.serve.logs import JsonLines, event, logger

_KEEP_ALIVE_S = 15


class _Server(uvicorn.Server):
    """uvicorn's, that says where it listens and that it is stopping."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            event("listening", port=port)
            self._on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        event("stopping", signal=sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        event("stopped", answered=self.server_state.total_requests)


def check_address(host: str, keys: Mapping[str, str]) -> None:
    """Refuse an address that others can reach where anybody could ask.

    Raises:
        InputError: it is not this machine's own, and there are no keys.
    """
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if not own and not keys:
        raise InputError(
            "at this address others can reach the service, and there are no API keys",
            value=host,
            remedy="Give --api-keys FILE (radmark serve --new-key NAME makes one), or --host 127.0.0.1",
        )


def serve(
    model: Model,
    *,
    host: str,
    port: int,
    limits: Limits,
    keys: Mapping[str, str],
    threads: int,
    on_listening: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C. New connections are then refused, and what was accepted is answered before it returns.

    Args:
        model: what answers.
        host: of the address to listen on.
        port: of it; 0 takes a free one.
        limits: what a request may cost.
        keys: name -> sha256 of who may ask; empty: anybody on this machine.
        threads: that read images.
        on_listening: called with the address.

    Raises:
        InputError: the address may not or cannot be used.
    """
    check_address(host, keys)
    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines())
    for log in (logger, logging.getLogger("uvicorn"), logging.getLogger("asyncio"), logging.getLogger("py.warnings")):
        log.handlers, log.propagate = [lines], False
    logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sockets = [_listen(host, port)]
    config = uvicorn.Config(
        create_app(model, limits=limits, keys=keys, threads=threads),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(limits.timeout_s) + 10,
    )
    told_at_start(model, limits, keys)
    # uvicorn raises the signal again when all is done, which would end us with a code that says "killed".
    before = {sig: signal.signal(sig, _nothing) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        server = _Server(config, on_listening)
        server.run(sockets=sockets)
        if not server.started:
            raise InputError(
                "the model could not be made ready", remedy="See the log above, and predict an image with it"
            )
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
        sockets[0].close()


def _nothing(sig: int, frame: FrameType | None) -> None:
    """What a signal does that has done its work already."""
    del sig, frame


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"the service cannot listen there ({error})",
            value=f"{host}:{port}",
            remedy="Give another --host or --port, or end what has it",
        ) from error
