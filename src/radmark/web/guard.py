"""What stands between the network and the application: who may ask, how much at once, and what every answer says to the browser.

The server listens on loopback, and so may any page in any browser of this machine talk to it. Hence: the Host has to be ours (a
name an attacker's DNS points here is not), what changes something has to come from our own page (Origin, beside the cookie's
SameSite), and a session is needed for all that is not the page's own code.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any

from radmark.web.wire import MAX_BODY, error_json

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer."""

EVENTS_PER_SECOND, BURST = 50.0, 200.0
"""Of changes by one session: no hand is as fast, and a script gone wild does not fill the disk."""

_BODY_SECONDS = 15.0  # to send a body of at most 64 KiB
_READS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """An ASGI application around another.

    Args:
        app: the one it guards.
        hosts: host names, with port where it is not the scheme's own, under which we are asked. Where it holds "*", any address
            (no name: that is what DNS rebinding needs) and any port will do.
        origins: what a browser calls our own page, such as "http://127.0.0.1:8000"; with "*" also http and the Host it asked.
        cookie: name of the session's cookie.
        known: reader's name of a cookie's secret that was seen before.
        session: the same of any, None where it is nobody's; it may block.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: frozenset[str],
        origins: frozenset[str],
        cookie: str,
        known: Callable[[str], str | None],
        session: Callable[[str], str | None],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._cookie = cookie
        self._known = known
        self._session = session
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        static = path.startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                extra = {**HEADERS, "cache-control": "no-cache" if static else "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in own),
                ]
            await send(message)

        async def refuse(
            status: int, problem: str, value: object, remedy: str, more: Mapping[str, str] | None = None
        ) -> None:
            body = json.dumps(error_json(problem, value, remedy)).encode()
            headers = {"content-type": "application/json", "content-length": str(len(body)), **(more or {})}
            await with_headers(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
                }
            )
            await with_headers({"type": "http.response.body", "body": body})

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._is_ours(host):
            await refuse(421, "this server is not asked under that name", host[:100], "Use the address it printed")
            return
        secret = self._secret(headers.get("cookie", ""))
        reader = None
        if secret and not static:
            reader = self._known(secret) or await asyncio.to_thread(self._session, secret)
        scope["radmark.reader"], scope["radmark.secret"] = reader, secret
        if path.startswith("/api/") and reader is None:
            await refuse(
                401, "there is no session", None, "Open the link `radmark annotate` printed; each is good once"
            )
            return
        if method not in _READS:
            origin = headers.get("origin", "")
            if not self._is_origin(origin, host):
                await refuse(403, "this does not come from the server's own page", origin[:100] or None, "Use the page")
                return
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != "application/json":
                await refuse(415, "the body is not JSON", kind[:100] or None, "Send Content-Type: application/json")
                return
            wait = self._too_fast(secret or "")
            if wait:
                seconds = str(max(1, round(wait)))
                await refuse(429, "too many changes at once", None, "Wait a moment", {"retry-after": seconds})
                return
            try:
                body = await asyncio.wait_for(_body(receive), _BODY_SECONDS)
            except TimeoutError:
                await refuse(408, "the body did not come in time", None, "Try again")
                return
            if body is None:
                await refuse(413, "the body is too large", f"more than {MAX_BODY} bytes", "Send less")
                return
            receive = _replayed(body, receive)
        await self._app(scope, receive, with_headers)

    def _is_ours(self, host: str) -> bool:
        if host.lower() in self._hosts:
            return True
        if "*" not in self._hosts:
            return False
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _is_origin(self, origin: str, host: str) -> bool:
        if origin.lower() in self._origins:
            return True
        return "*" in self._origins and origin.lower() == f"http://{host.lower()}"

    def _secret(self, cookies: str) -> str | None:
        try:
            found = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return None
        return None if found is None else found.value

    def _too_fast(self, secret: str) -> float:
        """Seconds to wait; 0 where there is room. A bucket of `BURST` that fills by `EVENTS_PER_SECOND`."""
        time_s = time.monotonic()
        with self._lock:
            level, at = self._buckets.get(secret, (BURST, time_s))
            level = min(BURST, level + (time_s - at) * EVENTS_PER_SECOND)
            if level < 1:
                self._buckets[secret] = level, time_s
                return (1 - level) / EVENTS_PER_SECOND
            if len(self._buckets) > 10000:
                self._buckets.clear()
            self._buckets[secret] = level - 1, time_s
            return 0.0


async def _body(receive: Receive) -> bytes | None:
    """The whole body, None where it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
