"""Stores, films and servers for what tests the annotation server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from annotating import BASE, NAMES, Server, Serving, film
from postgres import postgres as postgres
from radmark.core import Scheme
from radmark.web import schema
from radmark.web.accounts import Account
from radmark.web.app import Address, Annotator, create_app
from radmark.web.films import Films
from radmark.web.project import open_project
from radmark.web.store import Store


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    return request.getfixturevalue("postgres").url()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three films, 40 x 30."""
    for i, name in enumerate(("film-1.png", "film-2.png", "film-10.png")):
        film(tmp_path / "images" / name, seed=i)
    return tmp_path / "images"


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait for the disk: a hundred tests that ask other things would do little else."""
    connected = schema._sqlite_connected

    def hasty(connection: Any, record: object) -> None:
        connected(connection, record)
        connection.execute("PRAGMA synchronous = OFF")

    monkeypatch.setattr(schema, "_sqlite_connected", hasty)


@pytest.fixture
def serve(images: Path, tmp_path: Path, without_waiting: None) -> Iterator[Callable[..., Serving]]:
    """Start a project of these readers; one called A where none are given."""
    del without_waiting
    stores: list[Store] = []

    def start(*readers: Account, **more: Any) -> Serving:
        store = Store.at(tmp_path / "project" / "annotations.sqlite")
        stores.append(store)
        films = Films(images)
        scheme = Scheme.from_names(NAMES, "hips")
        proposer = more.pop("proposer", None)
        who = readers or (Account("A"),)
        made = proposer(store, films) if proposer else None
        project = open_project("films", scheme, store, films, who, proposer=made, **more)
        annotator = Annotator(project)
        serving = Serving(project, annotator)
        app = create_app(annotator, Address("127.0.0.1", 8000))
        for reader in project.readers:
            client = TestClient(app, BASE, headers={"origin": BASE}, raise_server_exceptions=False)
            assert client.get(annotator.link(reader.name)).status_code == 200
            serving.clients[reader.name] = client
        return serving

    yield start
    for store in stores:
        store.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def make(*words: object) -> Server:
        made = Server([str(word) for word in words], tmp_path / f"server-{len(started)}.log")
        started.append(made)
        return made

    yield make
    for each in started:
        each.stop()
