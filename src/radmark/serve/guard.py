"""Around every request: who asks, how much is sent, one line of log, and no fault that shows its insides."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radmark.serve.errors import Problem, RefusedError, answer
from radmark.serve.keys import owner
from radmark.serve.logs import event
from radmark.serve.metrics import Metrics

OPEN = ("/healthz", "/readyz", "/openapi.json")
"""What is answered without a key."""

_METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DRAIN_S = 5.0
CLIENT_LEFT = 499
"""What is noted where nobody was left to be answered; a number of ours, it is never sent."""


@dataclass(eq=False)
class _Exchange:
    """What is noted of one request and its answer."""

    status: int = 0
    size: int = 0
    body_ended: bool = False
    who: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))


class Guard:
    """The outermost layer.

    Args:
        app: what it guards.
        keys: name -> sha256; where there are none, only callers on this machine are answered, by a name of this machine.
        max_bytes: of a body.
        routes: the paths there are, to tell them in logs and numbers.
        metrics: where numbers are noted.
    """

    def __init__(
        self, app: ASGIApp, *, keys: Mapping[str, str], max_bytes: int, routes: Iterable[str], metrics: Metrics
    ) -> None:
        self._app = app
        self._keys = keys
        self._max_bytes = max_bytes
        self._routes = frozenset(routes)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        exchange = _Exchange()
        headers = Headers(scope=scope)

        async def counted() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                exchange.size += len(message.get("body", b""))
                exchange.body_ended = not message.get("more_body", False)
                if exchange.size > self._max_bytes:
                    raise self._too_large(exchange.size)
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400 and not exchange.body_ended and "expect" not in headers:
                    await self._drain(receive)  # or the caller, who is still sending, would not see the answer
                exchange.status = message["status"]
                told = MutableHeaders(scope=message)
                told["X-Request-ID"] = exchange.id
                told["Cache-Control"] = "no-store"
            await send(message)

        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        try:
            self._check(headers, route, exchange)
            await self._app(scope, counted, marked)
        except RefusedError as error:
            await error.answer()(scope, receive, marked)
        except ClientDisconnect:
            exchange.status = CLIENT_LEFT
        except Exception as error:
            event("fault", level=logging.ERROR, error=error, id=exchange.id, route=route)
            if not exchange.status:
                told = Problem(
                    problem="the service failed at this; it is its fault, not yours",
                    value=exchange.id,
                    remedy="Tell whoever runs it this number, which stands in its log",
                )
                await answer(500, told)(scope, receive, marked)
        finally:
            taken = time.monotonic() - began
            self._metrics.requests.labels(route, method, exchange.status).inc()
            self._metrics.seconds.labels(route).observe(taken)
            event(
                "request",
                id=exchange.id,
                method=method,
                route=route,
                status=exchange.status,
                bytes=exchange.size,
                ms=round(1000 * taken, 1),
                key=exchange.who,
            )

    def _check(self, headers: Headers, route: str, exchange: _Exchange) -> None:
        if not self._keys and _host(headers.get("host", "")) not in _LOOPBACK:
            # A page of another site that a browser here shows could otherwise ask us under its own name.
            raise RefusedError(
                421, "without API keys the service answers to this machine only", "Ask 127.0.0.1, or start it with keys"
            )
        if self._keys and route not in OPEN:
            given = headers.get("authorization", "")
            key = given[7:] if given[:7].lower() == "bearer " else headers.get("x-api-key", "")
            exchange.who = owner(self._keys, key.strip())
            if exchange.who is None:
                raise RefusedError(
                    401,
                    "there is no such API key" if key else "an API key is needed",
                    "Send a header Authorization: Bearer KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise self._too_large(int(declared))

    def _too_large(self, size: int) -> RefusedError:
        return RefusedError(
            413,
            f"the request has more than {self._max_bytes} bytes",
            "Send fewer images at once, or compressed ones",
            value=size,
        )

    async def _drain(self, receive: Receive) -> None:
        """Take in what a refused caller still sends, as much as any may send and not for long; nothing of it is kept."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while size <= self._max_bytes:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return


def _host(header: str) -> str:
    """A Host header's name, without its port."""
    name = header.lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
