"""The page offers what `radmark report` writes: pictures, DICOM objects and tables of everybody's marks, in a zip."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from annotating import Serving, event
from radmark.web.accounts import Account
from radmark.web.reports import LEFT_OUT

Serve = Callable[..., Serving]


def packed(answer: object) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(answer.content))  # pyright: ignore[reportAttributeAccessIssue]


def marked(serving: Serving, reader: str, film: str) -> None:
    client = serving[reader]
    item = next(i for i in client.get("/api/images").json()["images"] if i["name"] == film)
    assert client.post(f"/api/images/{item['id']}/events", json=event()).status_code == 200


def test_the_pictures_are_one_per_film_that_is_marked_in_a_folder_per_reader(serve: Serve) -> None:
    serving = serve(Account("A"), Account("Z", role="adjudicator"))
    marked(serving, "A", "film-1.png")
    marked(serving, "A", "film-2.png")
    answer = serving["Z"].get("/api/export?format=png")
    assert answer.headers["content-type"] == "application/zip"
    names = packed(answer).namelist()
    assert sorted(names) == ["A/film-1.png.annotated.png", "A/film-2.png.annotated.png"]
    with Image.open(packed(answer).open(names[0])) as picture:
        assert picture.width > 1000  # a film of 40 pixels is enlarged, and the panel stands beside it


def test_a_reader_gets_ones_own_only(serve: Serve) -> None:
    serving = serve(Account("A"), Account("B"))
    marked(serving, "A", "film-1.png")
    marked(serving, "B", "film-2.png")
    assert packed(serving["B"].get("/api/export?format=png")).namelist() == ["B/film-2.png.annotated.png"]
    assert serving["B"].get("/api/export?format=png&reader=A").status_code == 403


def test_films_that_cannot_be_written_so_are_said_and_none_at_all_is_refused(serve: Serve, images: Path) -> None:
    serving = serve(Account("A"))
    marked(serving, "A", "film-1.png")
    marked(serving, "A", "film-2.png")
    refused = serving["A"].get("/api/export?format=dcm")
    assert refused.status_code in (400, 422)
    assert "DICOM Structured Report" in refused.json()["error"]["problem"]
    (images / "film-2.png").unlink()
    found = packed(serving["A"].get("/api/export?format=png"))
    assert sorted(found.namelist()) == ["A/film-1.png.annotated.png", LEFT_OUT]
    assert "film-2.png" in found.read(LEFT_OUT).decode()


@pytest.mark.parametrize("format_", ["png", "dcm", "gsps", "sc", "parquet"])
def test_the_page_lists_every_output_beside_the_formats(serve: Serve, format_: str) -> None:
    assert format_ in serve()["A"].get("/api/project").json()["formats"]
