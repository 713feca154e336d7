"""Who is let in, and what every answer tells the browser."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from annotating import BASE, Serving, event
from radmark.web import app as app_module
from radmark.web import guard
from radmark.web import reading as reading_module
from radmark.web.accounts import Account
from radmark.web.app import Address, Annotator, create_app

Serve = Callable[..., Serving]


def stranger(serving: Serving, address: Address | None = None, base: str = BASE) -> TestClient:
    """A browser without a session."""
    app = create_app(serving.annotator, address or Address("127.0.0.1", 8000))
    return TestClient(app, base, headers={"origin": base}, raise_server_exceptions=False)


def first(client: Any) -> str:
    return client.get("/api/images").json()["images"][0]["id"]


def test_nothing_is_to_be_had_without_a_session(serve: Serve) -> None:
    serving = serve()
    image = first(serving["A"])
    client = stranger(serving)
    for path in (
        "project", "images", "progress", "export", f"images/{image}", f"images/{image}/pixels", f"readings/{image}", "x"
    ):  # fmt: skip
        assert client.get(f"/api/{path}").status_code == 401
    assert client.post(f"/api/images/{image}/events", json=event()).status_code == 401
    assert client.get("/").status_code == 401
    client.cookies.set(serving.annotator.cookie, "guessed")
    assert client.get("/api/project").status_code == 401
    assert serving.project.store.event_ids() == set()


def test_a_link_is_good_once(serve: Serve) -> None:
    serving = serve()
    link = serving.annotator.link("A")
    one, other = stranger(serving), stranger(serving)
    assert one.get(link).status_code == 200
    assert one.get("/api/project").status_code == 200
    assert other.get(link).status_code == 401
    assert other.get("/api/project").status_code == 401
    assert other.get("/?token=").status_code == 401


def test_the_cookie_is_for_this_page_only(serve: Serve) -> None:
    serving = serve()
    cookie = stranger(serving).get(serving.annotator.link("A")).headers["set-cookie"]
    assert cookie.startswith(serving.annotator.cookie + "=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    secure = Annotator(serving.project, secure=True)
    client = TestClient(create_app(secure, Address("127.0.0.1", 8000)), BASE)
    assert "Secure" in client.get(secure.link("A")).headers["set-cookie"]


def test_a_session_outlives_the_server_and_not_its_reader(serve: Serve) -> None:
    serving = serve()
    cookies = {serving.annotator.cookie: serving["A"].cookies[serving.annotator.cookie]}
    again = serve()
    client = stranger(again)
    client.cookies.update(cookies)
    assert client.get("/api/project").status_code == 200
    other = stranger(serve(Account("B")))
    other.cookies.update(cookies)
    assert other.get("/api/project").status_code == 401


def test_a_session_that_has_ended_is_noticed_while_the_server_runs(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()["A"]
    assert client.get("/api/project").status_code == 200
    monkeypatch.setattr(app_module, "_REMEMBER_S", -1.0)
    monkeypatch.setattr(reading_module, "now", lambda: "2999-01-01T00:00:00.000000Z")
    assert client.get("/api/project").status_code == 401


def test_after_a_logout_the_cookie_is_worth_nothing(serve: Serve) -> None:
    serving = serve()
    client = serving["A"]
    secret = client.cookies[serving.annotator.cookie]
    assert client.post("/api/logout", json={}).status_code == 200
    client.cookies.set(serving.annotator.cookie, secret)
    assert client.get("/api/project").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1:8001", "127.0.0.1", "127.0.0.1:8000.evil.example", ""]
)
def test_a_name_that_is_not_ours_gets_nothing(serve: Serve, host: str) -> None:
    client = serve()["A"]
    answer = client.get("/api/project", headers={"host": host})
    assert answer.status_code == 421
    assert set(answer.json()["error"]) == {"problem", "value", "remedy"}


def test_on_all_addresses_a_name_is_refused_all_the_same(serve: Serve) -> None:
    serving = serve()
    client = stranger(serving, Address("*", 8000))
    for host, status in (
        ("192.168.1.7:8000", 401), ("[fe80::1]:8000", 401), ("[::1]", 401), ("evil.example:8000", 421), ("a]", 421)
    ):  # fmt: skip
        assert client.get("/api/project", headers={"host": host}).status_code == status
    client.get(serving.annotator.link("A"))
    path = f"/api/images/{first(client)}/comment"
    here = {"host": "192.168.1.7:8000"}
    assert client.post(path, json={"text": ""}, headers=here | {"origin": "http://192.168.1.7:8000"}).status_code == 200
    assert client.post(path, json={"text": ""}, headers=here | {"origin": "http://192.168.1.8:8000"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:9", "https://127.0.0.1:8000"])
def test_another_page_cannot_write(serve: Serve, origin: str) -> None:
    serving = serve()
    client = serving["A"]
    path = f"/api/images/{first(client)}/events"
    answer = client.post(path, json=event(), headers={"origin": origin})
    assert answer.status_code == 403
    del client.headers["origin"]
    assert client.post(path, json=event()).status_code == 403
    assert serving.project.store.event_ids() == set()


def test_a_form_cannot_write(serve: Serve) -> None:
    client = serve()["A"]
    path = f"/api/images/{first(client)}/events"
    assert client.post(path, data={"x": "1"}).status_code == 415
    assert client.post(path, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


def test_behind_a_proxy_the_origin_is_the_proxys(serve: Serve) -> None:
    serving = serve()
    address = Address("127.0.0.1", 8000, "https://Films.example.org")
    assert address.base == "https://films.example.org"
    client = stranger(serving, address, "https://films.example.org")
    client.get(serving.annotator.link("A"))
    path = f"/api/images/{first(client)}/events"
    assert client.post(path, json=event(), headers={"origin": "https://films.example.org"}).status_code == 200
    assert client.post(path, json=event("hip_left"), headers={"origin": "http://films.example.org"}).status_code == 403


def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_its_length(serve: Serve) -> None:
    client = serve()["A"]
    path = f"/api/images/{first(client)}/comment"
    body = b'{"text": "' + b"x" * guard.MAX_BODY + b'"}'
    assert client.post(path, content=body, headers={"content-type": "application/json"}).status_code == 413

    def parts() -> Any:
        for i in range(0, len(body), 1000):
            yield body[i : i + 1000]

    assert client.post(path, content=parts(), headers={"content-type": "application/json"}).status_code == 413


def test_a_script_gone_wild_is_slowed_down_and_others_are_not(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BURST", 5.0)
    monkeypatch.setattr(guard, "EVENTS_PER_SECOND", 0.1)
    serving = serve(Account("A"), Account("B"))
    path = f"/api/images/{first(serving['A'])}/comment"
    answers = [serving["A"].post(path, json={"text": str(i)}) for i in range(7)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert serving["B"].post(path, json={"text": "x"}).status_code == 200
    assert serving["A"].get("/api/project").status_code == 200  # reading goes on


def test_every_answer_has_the_headers(serve: Serve) -> None:
    serving = serve()
    client = serving["A"]
    image = first(client)
    answers = [
        client.get("/"),
        client.get("/api/project"),
        client.get(f"/api/images/{image}/pixels"),
        client.get("/nowhere"),
        client.get("/static/nowhere"),
        client.post("/api/logout", content=b""),
        client.get("/api/project", headers={"host": "evil"}),
        stranger(serving).get("/api/project"),
        client.post(f"/api/images/{image}/events", json={}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    assert answers[2].headers["cache-control"] == "no-store"


def test_a_bug_of_ours_says_nothing_of_the_inside(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = serve()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/home/somebody/secret")

    monkeypatch.setattr(serving.project.store, "counts", broken)
    answer = serving["A"].get("/api/project")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["problem"] == "radmark made a mistake (RuntimeError)"
