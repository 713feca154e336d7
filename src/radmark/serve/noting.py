"""Around every request: one line of log, numbers, and no fault that shows its insides."""

import logging
import secrets
import time
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radmark.serve.logs import event
from radmark.serve.metrics import Metrics

_METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
CLIENT_LEFT = 499
"""What is noted where nobody was left to be answered; a number of ours, it is never sent."""


@dataclass(frozen=True, eq=False)
class Noting:
    """The outermost layer.

    Args:
        app: what it notes the requests of; says in the scope whose key was used (`radmark.key`).
        routes: the paths there are, to tell them in logs and numbers.
        metrics: where numbers are noted.
    """

    app: ASGIApp
    routes: frozenset[str]
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        status = size = 0
        scope["radmark.request"] = number = secrets.token_hex(8)

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = number
            await send(message)

        route = scope["path"] if scope["path"] in self.routes else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        try:
            await self.app(scope, counted, marked)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except Exception as error:  # it was answered; the server's own log would quote it
            event("fault", level=logging.ERROR, error=error, id=number, route=route)
        finally:
            taken, key = time.monotonic() - began, scope.get("radmark.key")
            self.metrics.requests.labels(route, method, status).inc()
            self.metrics.seconds.labels(route).observe(taken)
            ms = round(1000 * taken, 1)
            event("request", id=number, method=method, route=route, status=status, bytes=size, ms=ms, key=key)
