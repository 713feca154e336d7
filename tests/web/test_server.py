"""The real server as a process: what survives when it is killed, and what many readers at once get."""

import http.client
import random
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotating import NAMES, Server, event, film, session
from postgres import Postgres
from radmark.web.store import Store

Start = Callable[..., Server]


@pytest.fixture
def scheme_file(tmp_path: Path) -> Path:
    path = tmp_path / "hips.txt"
    path.write_text("\n".join(NAMES), encoding="utf-8")
    return path


def free_port() -> int:
    from orthanc import free_port as port

    return port()


def image_ids(client: httpx.Client) -> list[str]:
    return [image["id"] for image in client.get("/api/images").json()["images"]]


class Clicking(threading.Thread):
    """A reader who clicks without a pause, and repeats what was not acknowledged, as the page does."""

    def __init__(self, client: httpx.Client, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.client, self.halt = client, stop
        self.acknowledged: dict[str, tuple[str, str, int, float]] = {}
        self.refused: list[str] = []
        self.again: list[str] = []
        self.seconds: list[float] = []
        self.images = image_ids(client)

    def run(self) -> None:
        versions: dict[tuple[str, str], int] = {}
        n = 0
        while not self.halt.is_set():
            n += 1
            image, landmark = self.images[n % len(self.images)], NAMES[n % len(NAMES)]
            version = versions.get((image, landmark), 0)
            body = event(landmark, x=(n % 390) / 10, base_version=version)
            while not self.halt.is_set():
                try:
                    began = time.perf_counter()
                    answer = self.client.post(f"/api/images/{image}/events", json=body)
                    took = time.perf_counter() - began
                except httpx.TransportError as error:  # it is down: try again with the same id
                    self.again.append(repr(error))
                    time.sleep(0.05)
                    continue
                if answer.status_code in (429, 503):
                    self.again.append(answer.text)
                    time.sleep(0.05)
                    continue
                if answer.status_code != 200:
                    self.refused.append(answer.text)
                    return
                versions[image, landmark] = answer.json()["version"]
                self.acknowledged[body["event_id"]] = (image, landmark, answer.json()["version"], body["x"])
                self.seconds.append(took)
                break


def everything_acknowledged_is_there(url: str, clickers: list[Clicking]) -> int:
    """How many events there are; all that was acknowledged, and no version twice or missing."""
    store = Store(url)
    try:
        there = store.event_ids()
        for clicker in clickers:
            assert clicker.refused == []
            assert set(clicker.acknowledged) <= there
        assert store.derived() == store.all_marks()
        with store._engine.connect() as c:
            rows = c.exec_driver_sql(
                "SELECT reader, image, landmark, count(*), max(version) FROM events GROUP BY reader, image, landmark"
            ).all()
            told = {
                row[0]: (row[1], row[2], row[3], row[4])
                for row in c.exec_driver_sql("SELECT event_id, image, landmark, version, x FROM events").all()
            }
        assert all(count == version for *_, count, version in rows)
        for clicker in clickers:
            for id_, acknowledged in clicker.acknowledged.items():
                assert told[id_] == acknowledged
        return len(there)
    finally:
        store.close()


def going(clickers: list[Clicking]) -> None:
    """Wait until everybody has had some more clicks acknowledged."""
    before = [len(clicker.acknowledged) for clicker in clickers]
    end = time.monotonic() + 90
    while any(len(c.acknowledged) < n + 5 for c, n in zip(clickers, before, strict=True)):
        assert time.monotonic() < end, [(len(c.acknowledged), c.again[-5:], c.refused) for c in clickers]
        time.sleep(0.02)


def killed(server: Server, url: str, times: int, seed: int) -> tuple[int, int]:
    """Kill the server at random moments while two readers click; (acknowledged, stored)."""
    links = server.start()
    clients = [session(link) for link in links.values()]
    stop = threading.Event()
    clickers = [Clicking(client, stop) for client in clients]
    for clicker in clickers:
        clicker.start()
    moments = random.Random(seed)
    for life in range(times + 1):
        going(clickers)
        time.sleep(moments.uniform(0.0, 0.5))
        server.kill()
        if life < times:
            server.start()
    stop.set()
    for clicker in clickers:
        clicker.join(timeout=60)
    stored = everything_acknowledged_is_there(url, clickers)
    for client in clients:
        client.close()
    return sum(len(clicker.acknowledged) for clicker in clickers), stored


@pytest.fixture
def readers_file(tmp_path: Path) -> Path:
    path = tmp_path / "readers.toml"
    path.write_text('[[reader]]\nname = "A"\n[[reader]]\nname = "B"\n', encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_killed_server_loses_nothing_it_acknowledged(
    server: Start, images: Path, scheme_file: Path, readers_file: Path
) -> None:
    made = server(images, "--scheme", scheme_file, "--readers", readers_file, "--port", free_port())
    acknowledged, stored = killed(made, f"sqlite:///{images / 'radmark-project' / 'annotations.sqlite'}", 2, seed=1)
    assert 10 < acknowledged <= stored


@pytest.mark.slow
def test_nor_does_one_with_postgres(
    server: Start, images: Path, scheme_file: Path, readers_file: Path, postgres: Postgres
) -> None:
    url = postgres.url()
    made = server(images, "--scheme", scheme_file, "--readers", readers_file, "--port", free_port(), "--db", url)
    acknowledged, stored = killed(made, url, 2, seed=2)
    assert 10 < acknowledged <= stored


@pytest.mark.slow
def test_a_database_that_dies_and_comes_back_loses_nothing_acknowledged(
    server: Start, images: Path, scheme_file: Path, readers_file: Path, postgres: Postgres
) -> None:
    import signal

    url = postgres.url()
    made = server(images, "--scheme", scheme_file, "--readers", readers_file, "--port", free_port(), "--db", url)
    clients = [session(link) for link in made.start().values()]
    stop = threading.Event()
    clickers = [Clicking(client, stop) for client in clients]
    for clicker in clickers:
        clicker.start()
    going(clickers)
    before = sum(len(clicker.acknowledged) for clicker in clickers)
    postgres.stop(signal.SIGQUIT)  # at once, without writing anything more
    time.sleep(0.3)
    answer = clients[0].get("/api/images")
    assert answer.status_code == 503
    assert set(answer.json()["error"]) == {"problem", "value", "remedy"}
    postgres.start()
    going(clickers)
    stop.set()
    for clicker in clickers:
        clicker.join(timeout=60)
    assert sum(len(clicker.acknowledged) for clicker in clickers) > before > 5
    everything_acknowledged_is_there(url, clickers)
    for client in clients:
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_fifty_readers_at_once_lose_nothing(
    kind: str, server: Start, images: Path, scheme_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    readers = tmp_path / "fifty.toml"
    readers.write_text("".join(f'[[reader]]\nname = "R{i}"\n' for i in range(50)), encoding="utf-8")
    url = f"sqlite:///{images / 'radmark-project' / 'annotations.sqlite'}"
    words: list[Any] = [images, "--scheme", scheme_file, "--readers", readers]
    if kind == "postgres":
        url = request.getfixturevalue("postgres").url()
        words += ["--db", url]
    made = server(*words)
    clients = [session(link) for link in made.start().values()]
    stop = threading.Event()
    clickers = [Clicking(client, stop) for client in clients]
    for clicker in clickers:
        clicker.start()
    time.sleep(3.0)
    stop.set()
    for clicker in clickers:
        clicker.join(timeout=60)
    assert len(clickers) == 50
    assert all(len(clicker.acknowledged) >= 1 for clicker in clickers)
    assert everything_acknowledged_is_there(url, clickers) == sum(len(c.acknowledged) for c in clickers)
    assert statistics.median(s for c in clickers for s in c.seconds) < 5.0
    for client in clients:
        client.close()


@pytest.fixture
def running(server: Start, images: Path, scheme_file: Path) -> tuple[httpx.Client, Server]:
    made = server(images, "--scheme", scheme_file, "--reader", "A")
    (link,) = made.start().values()
    return session(link), made


def test_a_path_as_it_stands_on_the_wire_leads_nowhere_else(running: tuple[httpx.Client, Server], images: Path) -> None:
    client, made = running
    film(images.parent / "secret.png")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for path in (
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/%00",
        "/api/images/../../secret.png", "/api/images/..%2f..%2fsecret.png/pixels", "/../../etc/passwd",
        "/api/images/film-1.png/pixels", "//evil.example/",
    ):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port, timeout=10)
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status in (400, 404), path
        assert b"import" not in body
        assert b"root:" not in body
        assert b"PNG" not in body
    client.close()
    assert "Traceback" not in made.log.read_text(errors="replace")


def test_what_is_no_http_does_not_stop_the_server(running: tuple[httpx.Client, Server]) -> None:
    import socket

    client, made = running
    for bytes_ in (b"\0" * 100, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n", b"GET /\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=10) as raw:
            try:
                raw.sendall(bytes_)
                raw.recv(1000)
            except OSError:
                pass  # it hung up on us, as it may
    assert client.get("/api/project").status_code == 200
    client.close()
    made.stop()
    assert "Traceback" not in made.log.read_text(errors="replace")
    assert "A: http" in made.log.read_text(errors="replace")
