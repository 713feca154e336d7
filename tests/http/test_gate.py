"""By which name a server is asked, from which page, and how much it is sent: what passes, and what is told to who does not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from radmark.http import gate as gate_module
from radmark.http.errors import Refused, handle_errors
from radmark.http.gate import Gate, Pages, is_named

HOME = "http://127.0.0.1:8000"


async def anybody(*_: object) -> None:
    """Lets everybody in."""


def gate(**policy: Any) -> Gate:
    """A server that says how many bytes it was sent."""
    app = FastAPI()

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/json")
    async def tree(body: dict[str, Any]) -> int:
        return len(body)

    handle_errors(app, see="the docs", after_bug="Tell us")
    asked = {"hosts": None, "elsewhere": "Ask 127.0.0.1", "pages": None, "admit": anybody, "max_bytes": 1000}
    return Gate(app, **asked | policy)  # pyright: ignore[reportArgumentType]


def client(**policy: Any) -> TestClient:
    return TestClient(gate(**policy), HOME, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("host", "names", "ours"),
    [
        ("127.0.0.1:8000", {"127.0.0.1:8000"}, True),
        ("LocalHost:8000", {"localhost:8000"}, True),
        ("127.0.0.1", {"127.0.0.1:8000"}, False),
        ("127.0.0.1:80", {"127.0.0.1"}, False),
        ("films.example", {"films.example"}, True),
        ("films.example.evil", {"films.example"}, False),
        ("localhost", {"localhost:*"}, True),
        ("localhost:1", {"localhost:*"}, True),
        ("[::1]:1", {"[::1]:*"}, True),
        ("[::1]evil.example", {"[::1]:*"}, False),
        ("localhost:1.evil.example", {"localhost:*"}, False),
        ("localhost:*", {"localhost:*"}, False),
        ("10.0.0.7:81", {"*"}, True),
        ("[fe80::1]", {"*"}, True),
        ("evil.example", {"*"}, False),
        ("*", {"*:*"}, True),  # a name like any other
        ("", {"*"}, False),
    ],
)
def test_a_host_is_ours_by_name_and_port(host: str, names: set[str], ours: bool) -> None:
    assert is_named(host, frozenset(names)) is ours


@pytest.mark.parametrize(
    ("pages", "origin", "status"),
    [
        (Pages(), HOME, 200),
        (Pages(), HOME.upper(), 200),
        (Pages(), "http://127.0.0.1:9000", 403),
        (Pages(), "https://127.0.0.1:8000", 403),
        (Pages(), "null", 403),
        (Pages(), "", 403),
        (Pages(), None, 403),
        (Pages(required=False), None, 200),
        (Pages(required=False), HOME, 200),
        (Pages(required=False), "http://evil.example", 403),
        (Pages(required=False), "", 403),
        (Pages("https://films.example"), "https://films.example", 200),
        (Pages("https://films.example"), HOME, 403),
        (None, "http://evil.example", 200),
    ],
)
def test_what_changes_something_comes_from_our_own_page(pages: Pages | None, origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"origin": origin}
    asked = client(pages=pages)
    assert asked.post("/size", headers=headers).status_code == status
    assert asked.get("/nowhere", headers=headers).status_code == 404  # reading changes nothing


def test_who_is_not_admitted_learns_nothing_of_what_there_is() -> None:
    async def nobody(*_: object) -> None:
        raise Refused(401, "nobody may", "Go home", headers={"X-Why": "so"})

    asked = client(admit=nobody)
    for path in ("/size", "/nowhere"):
        answer = asked.post(path, content=b"x" * 5000)
        assert (answer.status_code, answer.headers["x-why"]) == (401, "so")
        assert answer.json() == {"error": {"problem": "nobody may", "value": None, "remedy": "Go home"}}


@pytest.mark.parametrize("path", ["/size", "/json"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_is_counted_whatever_it_says_of_its_length(path: str, declared: bool) -> None:
    """FastAPI calls whatever goes wrong while it reads a body a 400, and this is none."""
    body = b'{"a": "' + b"x" * 2000 + b'"}'
    sent: Any = body if declared else (body[i : i + 100] for i in range(0, len(body), 100))
    answer = client().post(path, content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "more than 1000 bytes" in answer.json()["error"]["problem"]
    fits = client().post("/size", content=b"x" * 1000)
    assert (fits.status_code, fits.json()) == (200, 1000)


def asked_by_hand(parts: AsyncIterator[bytes], path: str = "/size", **policy: Any) -> tuple[int, Any, float]:
    """Status, body and seconds of an answer to a request whose body comes as it comes."""
    told: list[Any] = []

    async def ask() -> float:
        async def receive() -> Any:
            return {"type": "http.request", "body": await anext(parts), "more_body": True}

        async def send(message: Any) -> None:
            told.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"x")], "query_string": b""}
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(Exception):  # what the server would log
            await gate(**policy)(scope, receive, send)
        return asyncio.get_running_loop().time() - began

    seconds = asyncio.run(ask())
    return told[0]["status"], json.loads(b"".join(m["body"] for m in told[1:])), seconds


async def dripping(taken: list[int]) -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0.01)
        taken.append(1)
        yield b"x"


async def flood(taken: list[int]) -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0)
        taken.append(100)
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/size", "/json"])
def test_a_body_that_drips_is_cut_off_in_time(path: str) -> None:
    status, told, seconds = asked_by_hand(dripping([]), path, body_s=0.3)
    assert (status, told["error"]["problem"]) == (408, "the body did not come in time")
    assert seconds < 3  # and the rest is not waited for


def test_of_who_is_refused_no_more_is_taken_in_than_anybody_may_send(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    status, _, _ = asked_by_hand(flood(taken), "/nowhere", max_bytes=5000)
    assert status == 404
    assert 5000 < sum(taken) <= 5200
    monkeypatch.setattr(gate_module, "_DRAIN_S", 0.2)
    assert asked_by_hand(dripping([]), "/nowhere")[2] < 3


def test_every_answer_tells_the_browser_what_it_may_do() -> None:
    asked = client(hosts=frozenset({"127.0.0.1:8000"}), pages=Pages(required=False), static="/static/")
    answers = {
        200: asked.post("/size"),
        403: asked.post("/size", headers={"origin": "null"}),
        404: asked.get("/static/nowhere"),
        421: asked.get("/", headers={"host": "evil.example"}),
        422: asked.post("/json", json=[]),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == ("no-cache" if status == 404 else "no-store")
    assert answers[421].json()["error"]["remedy"] == "Ask 127.0.0.1"


def test_there_are_no_web_sockets() -> None:
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/size"):
        raise AssertionError("it was let in")
