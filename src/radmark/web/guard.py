"""Who may ask the annotation server: a session for all that is not the page's own code, JSON from that page, and not too fast."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Scope

from radmark.http.errors import Refused
from radmark.http.gate import READS, Gate, Pages
from radmark.http.rate import Rate

MAX_BODY = 64 * 1024
"""Bytes of a request."""

EVENTS_PER_SECOND, BURST = 50.0, 200.0
"""Of changes by one session: no hand is as fast, and a script gone wild does not fill the disk."""

_BODY_S = 15.0
_STATIC = "/static/"


def guarded(
    app: ASGIApp,
    *,
    hosts: frozenset[str],
    origin: str | None,
    cookie: str,
    reader_of: Callable[[str], Awaitable[str | None]],
) -> Gate:
    """The application behind its gate, which notes in the scope who asks (`radmark.reader`) and by which secret.

    Args:
        app: it.
        hosts: names under which it is asked.
        origin: the page's own address where a proxy stands before it.
        cookie: name of the session's cookie.
        reader_of: reader's name of a cookie's secret, None where it is nobody's.
    """
    rate = Rate(EVENTS_PER_SECOND, BURST)

    async def admit(scope: Scope, headers: Headers) -> None:
        secret, reader = HTTPConnection(scope).cookies.get(cookie), None
        if secret and not scope["path"].startswith(_STATIC):
            reader = await reader_of(secret)
        scope["radmark.reader"], scope["radmark.secret"] = reader, secret
        if scope["path"].startswith("/api/") and reader is None:
            raise Refused(401, "there is no session", "Open the link `radmark annotate` printed; each is good once")
        if scope["method"] not in READS:
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != "application/json":
                remedy = "Send Content-Type: application/json"
                raise Refused(415, "the body is not JSON", remedy, kind[:100] or None)
            rate.take(secret or "")

    return Gate(
        app,
        hosts=hosts,
        elsewhere="Use the address it printed",
        pages=Pages(origin),
        admit=admit,
        max_bytes=MAX_BODY,
        body_s=_BODY_S,
        static=_STATIC,
    )
