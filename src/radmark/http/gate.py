"""What stands between the network and a server: by which name it is asked and from which page, how much is sent, and what every
answer says to the browser.

Any page in any browser of this machine can ask a server that listens on loopback. Hence its name has to be ours, for DNS may send
anybody's name here; and what changes something has to come from our own page, or from a program.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radmark.http.errors import Refused

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer."""

READS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""This machine, as a browser writes it."""

Admit = Callable[[Scope, Headers], Awaitable[None]]
"""Who asks: raises Refused where it may not, and notes in the scope who it is."""

_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^:\[\]]+)(:\d+)?")
_DRAIN_S = 5.0


def is_named(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header is one of `names`.

    Args:
        host: the header.
        names: as a browser writes them, with the port where it is not the scheme's own; "name:*" at any port; "*" any address at
            any port, but no name, for that is what DNS rebinding needs.
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    if found[0] in names or f"{found[1]}:*" in names:
        return True
    with contextlib.suppress(ValueError):
        return "*" in names and bool(ip_address(found[1].strip("[]")))
    return False


@dataclass(frozen=True)
class Pages:
    """Whose requests may change something.

    Args:
        own: address of our own page where a proxy stands before us; None: http and the host that was asked.
        required: programs have to name it too, as browsers do by themselves.
    """

    own: str | None = None
    required: bool = True

    def check(self, origin: str | None, host: str) -> None:
        """Refuse another's page.

        Raises:
            Refused: the request comes from another page, or from none and has to.
        """
        own = self.own or f"http://{host.lower()}"
        if (origin is None and not self.required) or (origin or "").lower() == own:
            return
        remedy = f"Use the page at {own}" if self.required else "Ask from a program, which sends no Origin"
        raise Refused(403, "this does not come from the server's own page", remedy, origin and origin[:100])


@dataclass(frozen=True, eq=False)
class Gate:
    """An ASGI application around another.

    Args:
        app: the one it guards.
        hosts: names it may be asked by, as in `is_named`; None: any.
        elsewhere: what to do for who asks by another, an imperative sentence.
        pages: whose requests may change something; None: whoever `admit` lets in.
        admit: who may ask.
        max_bytes: of a body.
        body_s: in which it has to be sent; None: the application sees to that.
        static: how paths begin that are the same for everybody; a browser may keep them and ask whether they changed.
    """

    app: ASGIApp
    hosts: frozenset[str] | None
    elsewhere: str
    pages: Pages | None
    admit: Admit
    max_bytes: int
    body_s: float | None = None
    static: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, self.max_bytes, self.body_s)
        kept = self.static is not None and scope["path"].startswith(self.static)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400 and "expect" not in headers:
                    await body.drain()  # or the caller, who is still sending, would not see the answer
                own = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "cache-control": "no-cache" if kept else "no-store"}.items():
                    own.setdefault(name, value)
            await send(message)

        try:
            await self._check(scope, headers, body)
            await self.app(scope, body, told)
        except Refused as error:
            await error.answer()(scope, receive, told)

    async def _check(self, scope: Scope, headers: Headers, body: "_Body") -> None:
        host = headers.get("host", "")
        if self.hosts is not None and not is_named(host, self.hosts):
            raise Refused(421, "this server does not answer to that name", self.elsewhere, host[:100])
        if self.pages is not None and scope["method"] not in READS:
            self.pages.check(headers.get("origin"), host)
        await self.admit(scope, headers)
        declared = headers.get("content-length", "0")
        if declared.isdecimal():
            body.allow(int(declared))


class _Body:
    """A request's body as it comes in: counted, timed, and taken in to its end where the answer is known before."""

    def __init__(self, receive: Receive, max_bytes: int, seconds: float | None) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._next()
        except TimeoutError:
            self._ended = True  # nobody waits for the rest
            raise Refused(408, "the body did not come in time", "Try again") from None
        self.allow(self._size)
        return message

    def allow(self, size: int) -> None:
        """Refuse a body of more bytes than may be."""
        if size > self._max_bytes:
            raise Refused(413, f"the request has more than {self._max_bytes} bytes", "Send less at once", size)

    async def drain(self) -> None:
        """Take in what is still sent, as much as any may send and not for long; nothing of it is kept."""
        most = self._size + self._max_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while not self._ended and self._size <= most:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)  # so has that of who has left
        return message
