"""`radmark annotate` as a user types it."""

import contextlib
import csv
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from annotating import Server, event, session
from radmark import cli
from radmark.io import read_dataset, read_scheme

RECIPE = """
[data]
size = 64
validation_fraction = 0.25
[model]
encoder = "mobilenet_v2"
encoder_weights = "none"
decoder_channels = [16, 8, 8, 8, 8]
[labels]
loss = "softmax"
dilate_px = 40
"""


def radmark(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as leave:
            code = int(leave.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    code, _, err = radmark("phantom", folder, "--kind", "knee-radiograph", "--n", 3, "--size", 96, "--seed", 0)
    assert code == 0, err
    return folder


@pytest.fixture
def data(phantoms: Path, tmp_path: Path) -> Path:
    """annotations.csv and images/ of three knees."""
    shutil.copytree(phantoms, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stops as soon as it would listen."""
    import uvicorn

    def run(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None: ...

    monkeypatch.setattr(uvicorn.Server, "run", run)


def annotate(*words: object) -> str:
    code, out, err = radmark("annotate", *words, "--no-browser")
    assert code == 0, err
    return out


def refused(*words: object) -> str:
    code, out, err = radmark("annotate", *words, "--no-browser")
    assert code == 2, (out, err)
    assert err.startswith("radmark: ")
    assert "Traceback" not in err
    return err


@pytest.mark.usefixtures("once")
def test_a_table_goes_in_and_comes_out_as_it_was(data: Path, tmp_path: Path) -> None:
    table = data / "annotations.csv"
    said = annotate(table, "--images", data / "images", "--reader", "Dr A")
    assert "landmarks of Dr A taken over" in said
    assert re.search(r"Dr A: http://127\.0\.0\.1:\d+/\?token=\S{40,}", said)
    assert "For research use only" in said
    assert "taken over" not in annotate(table, "--images", data / "images", "--reader", "Dr A")
    out = tmp_path / "out.csv"
    assert "3 readings by 1 reader, in" in annotate(data / "images", "--export", out)
    before, after = read_dataset(table, data / "images"), read_dataset(out, data / "images")
    assert after.reader == "Dr A"
    assert [case.film.name for case in after.rows] == [case.film.name for case in before.rows]
    assert [case.film.owner for case in after.rows] == [case.film.owner for case in before.rows]
    for one, other in zip(before.rows, after.rows, strict=True):
        np.testing.assert_array_equal(one.marks.points, other.marks.points)
        np.testing.assert_array_equal(one.marks.states, other.marks.states)
        assert one.marks.frame == other.marks.frame
    with pytest.raises(AssertionError, match="exists already"):
        annotate(data / "images", "--export", out)
    annotate(data / "images", "--export", out, "--overwrite")
    annotate(data / "images", "--export", tmp_path / "out.json")
    assert len(json.loads((tmp_path / "out.json").read_text())["images"]) == 3
    code, _, err = radmark("convert", tmp_path / "out.json", tmp_path / "converted.csv")
    assert code == 0, err


@pytest.mark.usefixtures("once")
def test_every_reader_of_a_table_keeps_their_own_reading(data: Path, tmp_path: Path) -> None:
    with (data / "annotations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    both = [row | {"reader": reader} for reader in ("Dr A", "Dr B") for row in rows]
    with (data / "both.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(both[0]))
        writer.writeheader()
        writer.writerows(both)
    said = annotate(data / "both.csv", "--images", data / "images", "--reader", "Judge")
    assert "landmarks of Dr A taken over" in said
    assert "landmarks of Dr B taken over" in said
    annotate(data / "images", "--export", tmp_path / "out.csv")
    for reader in ("Dr A", "Dr B"):
        assert len(read_dataset(tmp_path / "out.csv", data / "images", reader=reader)) == 3


@pytest.mark.usefixtures("once")
def test_the_second_start_needs_no_scheme_and_finds_new_films(data: Path) -> None:
    images = data / "images"
    said = annotate(images, "--scheme", "knee-radiograph", "--reader", "A")
    assert said.startswith("3 radiographs for A")
    first = sorted(images.glob("*.png"))[0]
    shutil.copy(first, images / "new.png")
    (images / "torn.png").write_bytes(b"torn")
    said = annotate(images, "--reader", "A")
    assert said.startswith("4 radiographs for A")
    assert "left out: torn.png" in said
    assert (images / "radmark-project" / "annotations.sqlite").is_file()


@pytest.mark.usefixtures("once")
def test_a_start_without_its_table_keeps_millimetres_and_patients(data: Path, tmp_path: Path) -> None:
    with (data / "annotations.csv").open(newline="") as file:
        rows = [row | {"patient_id": f"P{i // 2}", "side": "left"} for i, row in enumerate(csv.DictReader(file))]
    with (data / "annotations.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    images, out = data / "images", tmp_path / "out.csv"
    assert "kept from" not in annotate(
        data / "annotations.csv", "--films", images, "--spacing-mm", "0.2", "--reader", "A"
    )
    said = annotate(images, "--reader", "A")
    assert "kept from an earlier start: patient of 3 films, side of 3 films, spacing of 3 films" in said
    annotate(images, "--export", out)
    study = read_dataset(out, images)
    assert [film.patient for film, _ in study.rows] == ["P0", "P0", "P1"]
    assert {film.side for film, _ in study.rows} == {"left"}
    assert {(film.spacing.x_mm, film.spacing.source.value) for film, _ in study.rows if film.spacing} == {(0.2, "flag")}
    # A later table that says otherwise is told, without a patient's name, and both are kept.
    text = (data / "annotations.csv").read_text()
    (data / "annotations.csv").write_text(text.replace("P0", "SECRET"))
    said = annotate(data / "annotations.csv", "--films", images, "--spacing-mm", "0.3", "--reader", "A")
    assert "the table names another patient than before; both are kept, the newer is used" in said
    assert "the user says 0.3 x 0.3 mm per pixel, and said 0.2 x 0.2 mm per pixel before" in said
    assert "SECRET" not in said
    assert "P0" not in said


@pytest.mark.usefixtures("once")
def test_what_was_exported_as_json_goes_in_again(data: Path, tmp_path: Path) -> None:
    annotate(data / "annotations.csv", "--images", data / "images", "--reader", "Dr A")
    annotate(data / "images", "--export", tmp_path / "out.json")
    words = (tmp_path / "out.json", "--films", data / "images", "--project", tmp_path / "other")
    assert "landmarks of Dr A taken over" in annotate(*words, "--reader", "Judge")


@pytest.mark.usefixtures("once")
def test_the_project_may_lie_elsewhere(data: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (data / "images").iterdir())
    annotate(data / "images", "--scheme", "knee-radiograph", "--project", tmp_path / "mine")
    assert sorted(path.name for path in (data / "images").iterdir()) == before
    assert (tmp_path / "mine" / "annotations.sqlite").is_file()


@pytest.mark.usefixtures("once")
def test_one_film_alone_can_be_annotated(data: Path) -> None:
    film = sorted((data / "images").glob("*.png"))[1]
    assert annotate(film, "--scheme", "knee-radiograph").startswith("1 radiographs")


@pytest.mark.usefixtures("once")
def test_the_browser_opens_the_link_that_was_printed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    code, out, _ = radmark("annotate", data / "images", "--scheme", "knee-radiograph", "--reader", "A")
    assert code == 0
    assert opened == re.findall(r"http://\S+", out)


@pytest.mark.usefixtures("once")
def test_whoever_opens_it_to_the_network_is_told_it_is_not_encrypted(data: Path) -> None:
    words = (data / "images", "--scheme", "knee-radiograph")
    assert "not encrypted" in annotate(*words, "--host", "0.0.0.0")
    behind = annotate(*words, "--host", "0.0.0.0", "--origin", "https://films.example.org")
    assert "https://films.example.org/?token=" in behind
    assert "not encrypted" not in behind
    assert "not encrypted" not in annotate(*words)


def test_what_cannot_be_done_is_said(data: Path, tmp_path: Path) -> None:
    images = data / "images"
    (tmp_path / "empty").mkdir()
    (tmp_path / "readers.toml").write_text("[[reader]]\n")
    scheme = ("--scheme", "knee-radiograph")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words, told in (
            ((images,), "nobody said which landmarks"),
            ((images, "--scheme", "nose"), "no scheme of this name"),
            ((tmp_path / "nowhere", *scheme), "no such folder"),
            ((tmp_path / "empty", *scheme), "no image found"),
            ((images, *scheme, "--readers", tmp_path / "readers.toml"), "lacks name"),
            ((images, *scheme, "--order", "uncertainty"), "--order uncertainty needs a model"),
            ((images, *scheme, "--port", port), "cannot listen here"),
            ((images, *scheme, "--db", "oracle://x"), "cannot be used"),
            ((images, *scheme, "--reader", " "), "needs a name"),
            ((tmp_path / "empty", "--export", tmp_path / "o.csv"), "nothing was annotated"),
            ((images, "--export", tmp_path / "o.docx"), "format to write is not known"),
            ((images, "--export", tmp_path / "o.csv"), "nothing was annotated"),
        ):
            assert told in refused(*words), words


def test_without_torch_everything_but_the_model_works() -> None:
    program = """
import sys
sys.modules["torch"] = None
import radmark.web.app, radmark.web.project, radmark.web.proposals
from radmark.cli.annotate import Annotate
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_the_servers_parts_the_way_to_get_them_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert 'pip install "radmark[web]"' in refused(data / "images")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def make(*words: object) -> Server:
        started.append(Server([str(word) for word in words], tmp_path / f"server-{len(started)}.log"))
        return started[-1]

    yield make
    for each in started:
        each.stop()


@pytest.mark.slow
def test_a_model_proposes_what_predict_writes(data: Path, tmp_path: Path, server: Callable[..., Server]) -> None:
    from radmark import checkpoint, model
    from radmark.config import read_recipe

    (tmp_path / "tiny.toml").write_text(RECIPE)
    config, scheme = read_recipe(str(tmp_path / "tiny.toml")), read_scheme("knee-radiograph")
    net = model.build(config.model, len(scheme))  # it need not be any good
    images, run = data / "images", tmp_path / "run"
    run.mkdir()
    made_up = checkpoint.Checkpoint(config, scheme, net.state_dict(), 0, 5, {})
    checkpoint.save(run / checkpoint.MODEL_FILE, made_up)
    assert radmark("predict", run, images, "--out", tmp_path / "predicted.csv")[0] == 0
    predicted = {case.film.name: case.marks for case in read_dataset(tmp_path / "predicted.csv", images).rows}
    made = server(images, "--model", run, "--order", "uncertainty", "--reader", "A")
    client = session(made.start()["A"])
    assert client.get("/api/project").json()["model"].startswith("run ")
    for _ in range(300):
        listed = client.get("/api/images").json()["images"]
        if all(image["uncertainty"] is not None for image in listed):
            break
        time.sleep(0.2)
    else:
        pytest.fail("the model did not come to an end")
    assert [i["uncertainty"] for i in listed] == sorted((i["uncertainty"] for i in listed), reverse=True)
    for image in listed:
        proposal = client.get(f"/api/images/{image['id']}/proposals").json()
        assert proposal["status"] == "ready"
        for name, mark in proposal["landmarks"].items():
            np.testing.assert_allclose((mark["x"], mark["y"]), predicted[image["name"]][name], atol=1e-3)
        assert client.get(f"/api/images/{image['id']}").json()["landmarks"] == {}
    last = listed[-1]["id"]
    name, mark = next(iter(client.get(f"/api/images/{last}/proposals").json()["landmarks"].items()))
    body = event(name, mark["x"], mark["y"], how="accepted")
    assert client.post(f"/api/images/{last}/events", json=body).status_code == 200
    client.close()
    made.stop()
    assert "A: http" in made.log.read_text()
