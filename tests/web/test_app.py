import csv
import dataclasses
import io
import json
import re
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotating import NAMES, Serving, event, film
from dicom_files import film as dicom
from radmark.core import Film, Frame, InputError, Marked, Marks, Scheme, SpacingSource, Study
from radmark.core.marks import Model as ModelAuthor
from radmark.core.marks import Origin
from radmark.core.marks import Reader as Author
from radmark.io import read_annotations, read_dataset, read_film, with_films, write_annotations
from radmark.measure import examine
from radmark.web.accounts import Account
from radmark.web.app import Address, create_app
from radmark.web.films import Films
from radmark.web.project import import_study, keep_scheme, open_project, study_of, told_films
from radmark.web.proposals import Proposer
from radmark.web.reports import EXPORTS
from radmark.web.store import Store

Serve = Callable[..., Serving]


def ids(client: Any, **query: Any) -> dict[str, str]:
    return {i["name"]: i["id"] for i in client.get("/api/images", params=query).json()["images"]}


def said(response: Any, status: int) -> str:
    """The problem of an answer in the one shape of errors."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"problem", "value", "remedy"}
    assert error["problem"]
    assert not error["problem"].endswith(".")
    return error["problem"]


# ------------------------------------------------------------------------------------------------------- the contract


def test_the_documented_paths_are_those_there_are(serve: Serve) -> None:
    serving = serve()
    app: Any = create_app(serving.annotator, Address("127.0.0.1", 8000))
    there = {(method, route.path) for route in app.app.routes if hasattr(route, "methods") for method in route.methods}
    text = (Path(__file__).parents[2] / "docs" / "annotate-api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^## `(GET|POST) (/[^?`]*)", text, re.MULTILINE))
    told |= {("POST", path) for path in re.findall(r"^\| `(/api[^`]*)`", text, re.MULTILINE)} | {("GET", "/")}
    assert there == told


def test_the_project_says_what_is_annotated_and_who_asks(serve: Serve) -> None:
    serving = serve(Account("A"), Account("B", blind=True))
    project = serving["A"].get("/api/project").json()
    assert [mark["name"] for mark in project["scheme"]["landmarks"]] == list(NAMES)
    assert project["scheme"]["pairs"] == [["hip_right", "hip_left"]]
    assert project["notice"].startswith("For research use only")
    assert project["readers"] == ["A", "B"]
    assert project["counts"] == {"items": 3, "done": 0, "started": 0, "untouched": 3}
    assert project["has_model"] is False
    assert serving["B"].get("/api/project").json()["readers"] == ["B"]


def test_a_point_comes_back_as_it_was_sent(serve: Serve) -> None:
    client = serve()["A"]
    image = ids(client)["film-1.png"]
    x, y = 12.345678901234567, -0.5
    answer = client.post(f"/api/images/{image}/events", json=event(x=x, y=y))
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["n_placed"], answer.json()["n_marked"]) == (1, 1, 1)
    shown = client.get(f"/api/images/{image}").json()
    mark = shown["landmarks"]["sacrum"]
    assert (mark["x"], mark["y"], mark["state"], mark["how"], mark["by"]) == (x, y, "present", "placed", "A")
    assert set(shown["landmarks"]) == {"sacrum"}
    assert (shown["n_placed"], shown["n_landmarks"], shown["done"]) == (1, 3, False)
    assert (shown["previous"], shown["next"]) == (None, ids(client)["film-2.png"])


def test_the_pixels_are_the_films_own_at_full_depth(serve: Serve, images: Path) -> None:
    client = serve()["A"]
    image = ids(client)["film-2.png"]
    answer = client.get(f"/api/images/{image}/pixels", headers={"accept-encoding": "gzip"})
    sent = np.frombuffer(answer.content, "<u2").reshape(30, 40)
    np.testing.assert_array_equal(sent, np.asarray(Image.open(images / "film-2.png")))
    head = answer.headers
    assert (head["x-radmark-width"], head["x-radmark-height"], head["x-radmark-bits"]) == ("40", "30", "16")
    assert int(head["x-radmark-window-low"]) < int(head["x-radmark-window-high"])
    assert "content-encoding" not in head
    assert head["cache-control"] == "no-store"
    assert head["etag"] == f'"{client.get(f"/api/images/{image}").json()["image_version"]}"'
    again = client.get(f"/api/images/{image}/pixels", headers={"if-none-match": head["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_retry_gets_the_same_answer_and_an_old_version_what_stands(serve: Serve) -> None:
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}/events"
    once = event()
    first, again = client.post(path, json=once).json(), client.post(path, json=once).json()
    assert again == first | {"repeated": True}
    late = client.post(path, json=event(x=9.0))
    assert said(late, 409).startswith("sacrum was changed in another window")
    current = late.json()["current"]
    assert (current["landmark"], current["x"], current["version"]) == ("sacrum", 3.25, 1)
    never = client.post(path, json=event("hip_left", base_version=4))
    assert said(never, 409)
    assert never.json()["current"] is None


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"landmark": "nose"}, 422, "no such landmark"),
        ({"x": 39.51}, 422, "outside the image"),
        ({"y": -0.51}, 422, "outside the image"),
        ({"x": None}, 422, "coordinates contradict"),
        ({"state": "absent"}, 422, "coordinates contradict"),
        ({"state": "lost"}, 422, "state"),
        ({"how": "imported"}, 422, "how"),
        ({"how": "adjudicated"}, 403, "only an adjudicator"),
        ({"how": "accepted"}, 422, "no proposal"),
        ({"event_id": "1"}, 422, "event_id"),
        ({"base_version": -1}, 422, "base_version"),
        ({"base_version": "0"}, 422, "base_version"),
        ({"base_version": 2**70}, 422, "base_version"),
        ({"x": "NaN"}, 422, "x: "),
        ({"x": 1e300}, 422, "x: "),
        ({"landmark": "a\0"}, 422, "landmark"),
        ({"reader": "B"}, 422, "reader"),
    ],
)
def test_a_change_that_makes_no_sense_is_not_stored(
    serve: Serve, change: dict[str, Any], status: int, words: str
) -> None:
    serving = serve()
    path = f"/api/images/{ids(serving['A'])['film-1.png']}/events"
    assert words in said(serving["A"].post(path, json=event() | change), status)
    assert serving.project.store.event_ids() == set()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"null", b'{"x": NaN}', b"\xff", b'"' + b"a" * 1000 + b'"', b"[" * 9999]
)
def test_a_body_that_is_no_event_is_refused_in_the_one_shape(serve: Serve, body: bytes) -> None:
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}/events"
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    said(answer, answer.status_code)


def test_what_is_not_there_is_said_in_the_one_shape(serve: Serve) -> None:
    client = serve()["A"]
    said(client.get("/nowhere"), 404)
    said(client.get("/api/nowhere"), 404)
    said(client.get("/static/nowhere.js"), 404)
    said(client.put("/api/project", json={}), 405)
    for id_ in ("0" * 20, "x", "..", "%00", "0" * 19 + "G", "A" * 20):
        for path in ("", "/pixels", "/proposals", "/measurements"):
            said(client.get(f"/api/images/{id_}{path}"), 404)


@pytest.mark.parametrize(
    "query", ["state=x", "offset=-1", "limit=0", "limit=501", f"offset={10**30}", "order=age", "q=a%00"]
)
def test_a_query_that_makes_no_sense_is_refused(serve: Serve, query: str) -> None:
    said(serve()["A"].get(f"/api/images?{query}"), 422)


def test_the_list_pages_and_filters(serve: Serve) -> None:
    client = serve()["A"]
    assert list(ids(client)) == ["film-1.png", "film-2.png", "film-10.png"]
    page = client.get("/api/images?offset=1&limit=1").json()
    assert (page["total"], [i["name"] for i in page["images"]]) == (3, ["film-2.png"])
    image = ids(client)["film-2.png"]
    client.post(f"/api/images/{image}/events", json=event(x=None, y=None, state="absent", how="state"))
    assert list(ids(client, state="started")) == ["film-2.png"]
    done = client.post(f"/api/images/{image}/done", json={"done": True}).json()
    assert done["counts"] == {"items": 3, "done": 1, "started": 0, "untouched": 2}
    assert list(ids(client, state="done")) == ["film-2.png"]
    assert list(ids(client, state="todo", q="FILM-1")) == ["film-1.png", "film-10.png"]


def test_a_comment_is_kept_and_taken_back(serve: Serve) -> None:
    client = serve()["A"]
    image = ids(client)["film-1.png"]
    assert client.post(f"/api/images/{image}/comment", json={"text": " rotated ☺ "}).json() == {"comment": "rotated ☺"}
    assert client.get(f"/api/images/{image}").json()["comment"] == "rotated ☺"
    assert client.post(f"/api/images/{image}/comment", json={"text": ""}).json() == {"comment": None}
    said(client.post(f"/api/images/{image}/comment", json={"text": "x" * 4001}), 422)
    half = client.post(
        f"/api/images/{image}/comment", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"}
    )
    said(half, 422)


def test_a_line_of_known_length_gives_millimetres(serve: Serve) -> None:
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}"
    body = {"kind": "line", "points": [[1, 2], [4, 6]], "mm": 10}
    answer = client.post(f"{path}/calibration", json=body).json()
    assert answer["spacing"] == {"x_mm": 2.0, "y_mm": 2.0, "source": "known-distance"}  # 3, 4, 5
    shown = client.get(path).json()
    assert shown["spacing"] == answer["spacing"]
    assert shown["calibration"]["points"] == [[1, 2], [4, 6]]
    assert client.post(f"{path}/calibration", json={"kind": "none"}).json()["spacing"] is None


def test_a_ball_of_known_diameter_gives_millimetres(serve: Serve) -> None:
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}/calibration"
    rim = [[20 + 8 * np.cos(a), 15 + 8 * np.sin(a)] for a in (0.1, 1.3, 2.9, 4.4, 5.5)]
    answer = client.post(path, json={"kind": "circle", "points": rim, "mm": 25.4}).json()
    assert answer["spacing"]["x_mm"] == pytest.approx(25.4 / 16)
    assert answer["spacing"]["source"] == "known-ball"
    assert answer["residual_px"] == pytest.approx(0, abs=1e-9)


def test_a_short_arc_of_a_ball_gives_the_diameter_that_measure_gives(serve: Serve) -> None:
    """With noise on a quarter of the rim an algebraic fit and the geometric one differ: there is one fit for every door."""
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}/calibration"
    noise = np.random.default_rng(5).normal(0, 0.3, 12)
    rim = [
        [20 + (9 + r) * np.cos(a), 15 + (9 + r) * np.sin(a)]
        for r, a in zip(noise, np.linspace(0, 1.6, 12), strict=True)
    ]
    answer = client.post(path, json={"kind": "circle", "points": rim, "mm": 25.4}).json()
    names = [f"rim_{k}" for k in range(12)]
    marks = Marks.present(Scheme.from_names(names), Frame(40, 30), np.array(rim), film="x")
    film_ = Film("x", (40, 30)).stated(ball_mm=",".join([*names, "25.4"]))
    spacing = examine(film_, marks).marks.frame.spacing
    assert spacing is not None
    assert answer["spacing"] == {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": "known-ball"}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "line", "points": [[1, 1]], "mm": 10},
        {"kind": "line", "points": [[1, 1], [1, 1]], "mm": 10},
        {"kind": "line", "points": [[1, 1], [5, 5]]},
        {"kind": "line", "points": [[1, 1], [5, 5]], "mm": 0},
        {"kind": "line", "points": [[1, 1], [500, 5]], "mm": 10},
        {"kind": "circle", "points": [[1, 1], [5, 5]], "mm": 10},
        {"kind": "circle", "points": [[1, 1], [5, 5], [9, 9]], "mm": 10},
        {"kind": "circle", "points": [[1, 1]] * 65, "mm": 10},
        {"kind": "square", "points": [[1, 1]], "mm": 10},
    ],
)
def test_a_calibration_of_nothing_is_refused(serve: Serve, body: dict[str, Any]) -> None:
    client = serve()["A"]
    path = f"/api/images/{ids(client)['film-1.png']}"
    said(client.post(f"{path}/calibration", json=body), 422)
    assert client.get(path).json()["spacing"] is None


def test_pixels_that_were_exchanged_under_the_marks_are_noticed(serve: Serve, images: Path) -> None:
    client = serve()["A"]
    image = ids(client)["film-1.png"]
    client.post(f"/api/images/{image}/events", json=event())
    film(images / "film-1.png", seed=77)
    assert "another picture" in said(client.get(f"/api/images/{image}"), 409)
    assert "another picture" in said(client.get(f"/api/images/{image}/pixels"), 409)


def test_measurements_come_from_the_stored_points(serve: Serve) -> None:
    serving = serve()
    names = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
    keep_scheme(serving.project.store, Scheme.from_names((*NAMES, *names)))
    serving.annotator.project = dataclasses.replace(serving.project, scheme=Scheme.from_names((*NAMES, *names)))
    client = serving["A"]
    image = ids(client)["film-1.png"]
    for name, x, y in zip(names, (5, 25, 4, 26), (10, 10, 20, 23), strict=True):
        assert client.post(f"/api/images/{image}/events", json=event(name, x, y)).status_code == 200
    client.post(f"/api/images/{image}/calibration", json={"kind": "line", "points": [[0, 0], [10, 0]], "mm": 20})
    answer = client.get(f"/api/images/{image}/measurements").json()
    assert answer["notice"].startswith("For research use only")
    leg = next(m for m in answer["measurements"] if m["key"] == "leg_length_discrepancy")
    # The left lesser trochanter is 3 px further below the teardrops: 6 mm, negative where the left leg is the longer.
    assert (leg["value"], leg["unit"], leg["mm_from"]) == (pytest.approx(-6.0), "mm", "known-distance")
    assert leg["usable"] == "yes"
    assert {f["code"] for f in leg["findings"]} >= {"orientation_unknown"}  # a PNG does not say how it lies
    assert leg["flags"] == [f["words"] for f in leg["findings"]]
    assert all(set(f) == {"code", "severity", "words", "about"} for f in [*leg["findings"], *answer["findings"]])
    # What this reader states is a fact of the user's: it answers the question, and turns the sides round where it says so.
    stated = client.get(f"/api/images/{image}/measurements?display=mirrored").json()
    other = next(m for m in stated["measurements"] if m["key"] == "leg_length_discrepancy")
    assert other["value"] is None or other["usable"] == "no"  # right and left now look exchanged
    assert "orientation_unknown" not in {f["code"] for f in stated["findings"]}


def test_the_page_measures_what_measure_measures(serve: Serve, images: Path) -> None:
    """A DICOM film that lies the other way round and says so: values, units and findings, result by result."""
    names = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
    dicom(images / "a.dcm", PixelSpacing=[0.2, 0.2], PatientOrientation=["R", "F"])
    serving = serve()
    keep_scheme(serving.project.store, Scheme.from_names((*NAMES, *names)))
    serving.annotator.project = dataclasses.replace(serving.project, scheme=Scheme.from_names((*NAMES, *names)))
    client = serving["A"]
    image = ids(client)["a.dcm"]
    film_ = read_film(images / "a.dcm")
    assert film_.size is not None
    w, h = film_.size
    places = np.array([(0.8, 0.3), (0.2, 0.3), (0.8, 0.6), (0.2, 0.7)]) * [w - 1, h - 1]  # the right on the right
    for name, (x, y) in zip(names, places.tolist(), strict=True):
        assert client.post(f"/api/images/{image}/events", json=event(name, x, y)).status_code == 200
    assert client.get(f"/api/images/{image}").json()["display"] == "mirrored"
    found = client.get(f"/api/images/{image}/measurements").json()["measurements"]
    marks = Marks.of(
        Scheme.from_names((*NAMES, *names)), film_.frame, dict(zip(names, map(tuple, places), strict=True))
    )
    expected = examine(film_, marks).results
    assert sum(r.value is not None for r in expected) > 0
    assert [
        (m["key"], m["side"], m["value"], m["unit"], m["usable"], [f["code"] for f in m["findings"]]) for m in found
    ] == [(r.key, r.side, r.value, r.unit, r.usable, [f.code for f in r.findings]) for r in expected]
    overruled = client.get(f"/api/images/{image}/measurements?display=standard").json()
    (contradicted,) = [f for f in overruled["findings"] if f["code"] == "display_contradicted"]
    assert "the user says standard" in contradicted["words"]
    assert "the header says mirrored" in contradicted["words"]


# ---------------------------------------------------------------------------------------------- several readers


def test_readers_do_not_see_each_others_points(serve: Serve) -> None:
    serving = serve(Account("A"), Account("B", blind=True), Account("C", images=("film-2*",)))
    image = ids(serving["A"])["film-1.png"]
    serving["A"].post(f"/api/images/{image}/events", json=event())
    assert serving["B"].get(f"/api/images/{image}").json()["landmarks"] == {}
    assert serving["B"].post(f"/api/images/{image}/events", json=event(x=8.0)).json()["version"] == 1
    assert serving["A"].get(f"/api/images/{image}").json()["landmarks"]["sacrum"]["x"] == 3.25
    assert list(ids(serving["C"])) == ["film-2.png"]
    said(serving["C"].get(f"/api/images/{image}"), 404)
    said(serving["C"].post(f"/api/images/{image}/events", json=event()), 404)
    for reader in "ABC":
        said(serving[reader].get(f"/api/readings/{ids(serving[reader])['film-2.png']}"), 403)
    said(serving["B"].get("/api/export?reader=A"), 403)
    assert "3.25" not in serving["B"].get("/api/export").text
    assert serving["B"].get("/api/progress").json()["readers"] == []


def test_a_second_reading_is_an_image_of_its_own_without_the_first_points(serve: Serve) -> None:
    serving = serve(Account("A", second_share=1.0, second_after_days=0.0))
    client = serving["A"]
    image = ids(client)["film-1.png"]
    client.post(f"/api/images/{image}/events", json=event())
    client.post(f"/api/images/{image}/done", json={"done": True})
    listed = client.get("/api/images").json()["images"]
    assert [(i["name"], i["reading"]) for i in listed][:2] == [("film-1.png", 1), ("film-1.png", 2)]
    second = listed[1]["id"]
    shown = client.get(f"/api/images/{second}").json()
    assert (shown["landmarks"], shown["reading"], shown["previous"]) == ({}, 2, image)
    assert client.post(f"/api/images/{second}/events", json=event(x=5.0)).json()["version"] == 1
    rows = list(csv.DictReader(io.StringIO(client.get("/api/export").text)))
    assert [(r["reader"], r["session"], float(r["sacrum_x"])) for r in rows] == [("A", "", 3.25), ("A", "2", 5.0)]


def test_an_adjudicator_sees_all_readings_with_their_consensus(serve: Serve) -> None:
    readers = [Account(name) for name in ("A", "B", "C", "D")]
    serving = serve(*readers, Account("Z", role="adjudicator"))
    image = ids(serving["A"])["film-1.png"]
    for name, (x, y) in {"A": (10, 10), "B": (12, 10), "C": (11, 12), "D": (35, 10)}.items():
        serving[name].post(f"/api/images/{image}/events", json=event(x=x, y=y))
    serving["A"].post(f"/api/images/{image}/events", json=event("hip_left", None, None, state="absent"))
    serving["Z"].post(f"/api/images/{image}/events", json=event(x=1, y=1))  # the judge's own does not count
    found = serving["Z"].get(f"/api/readings/{image}").json()
    sacrum = found["landmarks"]["sacrum"]
    assert [(p["reader"], p["outlier"]) for p in sacrum["points"]] == [
        ("A", False), ("B", False), ("C", False), ("D", True)
    ]  # fmt: skip
    assert sacrum["consensus"]["n"] == 4
    assert np.hypot(sacrum["consensus"]["x"] - 11, sacrum["consensus"]["y"] - 10.7) < 2
    assert found["landmarks"]["hip_left"]["consensus"] is None
    assert found["landmarks"]["hip_left"]["points"][0]["state"] == "absent"
    assert found["landmarks"]["hip_right"]["points"] == []
    judged = event(x=11.0, y=10.5, base_version=1, how="adjudicated")
    assert serving["Z"].post(f"/api/images/{image}/events", json=judged).status_code == 200
    assert {p["reader"] for p in serving["Z"].get("/api/progress").json()["readers"]} == {"A", "B", "C", "D", "Z"}
    rows = list(csv.DictReader(io.StringIO(serving["Z"].get("/api/export").text)))
    assert [r["reader"] for r in rows] == ["A", "B", "C", "D", "Z"]
    only = list(csv.DictReader(io.StringIO(serving["Z"].get("/api/export?reader=D").text)))
    assert [float(r["sacrum_x"]) for r in only] == [35.0]


def test_time_is_told_apart_with_and_without_proposals(serve: Serve) -> None:
    client = serve()["A"]
    image = ids(client)["film-1.png"]
    body = {"event_id": str(uuid.uuid4()), "seconds": 12.5, "with_proposal": False}
    for _ in range(2):
        assert client.post(f"/api/images/{image}/time", json=body).json() == {"seconds": 12.5}
    client.post(f"/api/images/{image}/done", json={"done": True})
    assert client.get("/api/progress").json()["me"] == {
        "reader": "A", "items": 3, "done": 1, "started": 0, "untouched": 2,
        "seconds": {"without": 12.5, "n_without": 1, "with_proposal": None, "n_with": 0},
    }  # fmt: skip
    said(client.post(f"/api/images/{image}/time", json=body | {"seconds": 4000}), 422)


# -------------------------------------------------------------------------------------------------- in and out


def test_the_export_is_read_by_what_train_reads_with(serve: Serve, images: Path, tmp_path: Path) -> None:
    serving = serve(Account("A"), Account("B"))
    client = serving["A"]
    said(client.get("/api/export"), 404)
    image = ids(client)["film-10.png"]
    client.post(f"/api/images/{image}/events", json=event("hip_right", 0.1, 29.25))
    client.post(f"/api/images/{image}/events", json=event("hip_left", 7, 8, state="occluded"))
    client.post(f"/api/images/{image}/events", json=event("sacrum", None, None, state="absent"))
    client.post(f"/api/images/{image}/comment", json={"text": 'says "a, b"\nand more'})
    client.post(f"/api/images/{image}/calibration", json={"kind": "line", "points": [[0, 0], [30, 0]], "mm": 10})
    answer = client.get("/api/export?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    (tmp_path / "out.csv").write_bytes(answer.content)
    study = read_dataset(tmp_path / "out.csv", images)
    ((film_, marks),) = study.rows
    assert study.reader == "A"
    assert film_.name == "film-10.png"
    assert marks.points[:2].tolist() == [[0.1, 29.25], [7, 8]]
    assert marks.states.tolist() == [0, 1, 2]
    assert film_.spacing is not None
    assert film_.spacing.x_mm == pytest.approx(1 / 3)
    assert film_.spacing.source is SpacingSource.KNOWN_DISTANCE
    assert film_.attributes["comment"] == 'says "a, b"\nand more'
    serving["B"].post(f"/api/images/{image}/events", json=event("hip_right", 1, 1))
    (tmp_path / "both.csv").write_text(str(EXPORTS["csv"].write(serving.project, None)), encoding="utf-8")
    assert read_dataset(tmp_path / "both.csv", images, reader="B").rows[0].marks["hip_right"].tolist() == [1, 1]
    told = json.loads(client.get("/api/export?format=json").text)["images"][0]
    assert told["landmarks"]["sacrum"]["state"] == "absent"
    assert set(told["landmarks"]) == set(NAMES)
    assert "agreement" not in client.get("/api/project").json()["formats"]
    said(client.get("/api/export?format=agreement"), 403)


def test_other_formats_hold_what_was_marked_where_they_count_from(serve: Serve) -> None:
    serving = serve(Account("A"))
    client = serving["A"]
    image = ids(client)["film-10.png"]
    client.post(f"/api/images/{image}/events", json=event("hip_right", 7.5, 8.25))
    # CVAT counts from the corner of the corner pixel: half a pixel more than the point from its centre.
    assert 'points="8.0000,8.7500"' in client.get("/api/export?format=cvat").text
    packed = client.get("/api/export?format=labelme")
    assert packed.headers["content-disposition"].endswith('"annotations.zip"')
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        (shape,) = json.loads(archive.read(archive.namelist()[0]))["shapes"]
    assert shape["points"] == [[8.0, 8.75]]


def test_an_adjudicator_gets_the_agreement_of_the_readers_as_a_page(serve: Serve) -> None:
    serving = serve(Account("A"), Account("B"), Account("Chief", role="adjudicator"))
    for reader, x in (("A", 10.0), ("B", 13.0)):
        client = serving[reader]
        for image in ids(client).values():
            client.post(f"/api/images/{image}/events", json=event("hip_right", x, 20.0))
    answer = serving["Chief"].get("/api/export?format=agreement")
    assert answer.headers["content-disposition"].endswith('"agreement.html"')
    assert "3.00" in answer.text  # the two lie three pixels apart on every film
    said(client.get("/api/export?format=docx"), 422)


def study_with(images: Path, points: list[list[float]], **more: Any) -> Study:
    """A table of one film."""
    scheme = Scheme.from_names(NAMES, "hips")
    film_ = Film("film-1.png", (40, 30), path=images / "film-1.png")
    marks = Marks.present(scheme, Frame(40, 30), np.array(points), film="film-1.png", **more)
    return Study(scheme, (Marked(film_, marks),))


def test_a_table_is_taken_over_once_and_what_was_changed_here_stays(serve: Serve, images: Path) -> None:
    serving = serve()
    project, client = serving.project, serving["A"]
    table = study_with(images, [[1, 2], [3, 4], [np.nan, np.nan]])
    assert import_study(project, table, images, "A") == {"A": (2, 0)}
    assert import_study(project, table, images, "A") == {"A": (0, 0)}
    image = ids(client)["film-1.png"]
    marks = client.get(f"/api/images/{image}").json()["landmarks"]
    assert {n: (m["x"], m["y"], m["how"]) for n, m in marks.items()} == {
        "hip_right": (1, 2, "imported"),
        "hip_left": (3, 4, "imported"),
    }
    client.post(f"/api/images/{image}/events", json=event("hip_right", 9, 9, base_version=1, how="moved"))
    assert import_study(project, table, images, "A") == {"A": (0, 0)}
    assert import_study(project, study_with(images, [[5, 5], [3, 4], [6, 7]]), images, "A") == {"A": (1, 1)}
    assert client.get(f"/api/images/{image}").json()["landmarks"]["hip_right"]["x"] == 9


def test_a_reader_of_the_table_who_is_not_here_is_kept_for_the_adjudicator(serve: Serve, images: Path) -> None:
    serving = serve(Account("Z", role="adjudicator"))
    table = study_with(images, [[1, 2], [3, 4], [5, 6]], author=Author("Dr Old"))
    import_study(serving.project, table, images, "Z")
    found = serving["Z"].get(f"/api/readings/{ids(serving['Z'])['film-1.png']}").json()
    assert [reader["reader"] for reader in found["readers"]] == ["Dr Old"]


def test_a_second_reading_in_a_table_is_the_readers_second_here(serve: Serve, images: Path) -> None:
    serving = serve(Account("A", second_share=1.0, second_after_days=0.0))
    again = study_with(images, [[1, 2], [3, 4], [5, 6]], author=Author("A", "2"))
    assert import_study(serving.project, again, images, "A") == {"A": (3, 0)}
    assert ids(serving["A"]) == ids(serving["A"], state="untouched")  # the first is still to be read, and blind to it
    ((_, marks),) = study_of(serving.project, "A").rows
    assert marks.author == Author("A", "2")


def test_how_a_mark_came_to_be_goes_in_and_comes_out(serve: Serve, images: Path, tmp_path: Path) -> None:
    project = serve().project
    points = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    origins = (Origin.PLACED, Origin.ACCEPTED, Origin.MOVED)
    import_study(project, study_with(images, points, author=Author("A"), origins=origins), images, "A")
    import_study(project, study_with(images, points, author=ModelAuthor("0" * 64)), images, "B")
    for form in ("csv", "json", "long"):
        (tmp_path / f"out.{form}").write_text(str(EXPORTS[form].write(project, None)), encoding="utf-8")
        one, other = read_annotations(tmp_path / f"out.{form}").rows
        assert [one.marks.mark(name).origin for name in NAMES] == list(origins)
        assert [other.marks.mark(name).origin for name in NAMES] == [Origin.PREDICTED] * 3


def test_a_point_beside_the_film_is_not_taken_over(serve: Serve, images: Path) -> None:
    project = serve().project
    with pytest.raises(InputError, match="hip_left lies outside the image, which is 40 wide and 30 high"):
        import_study(project, study_with(images, [[1, 2], [39.6, 4], [5, 6]]), images, "A")
    assert project.store.event_ids() == set()


def test_a_calibration_goes_out_and_comes_back_as_its_readers_own(serve: Serve, images: Path, tmp_path: Path) -> None:
    serving = serve(Account("A"), Account("B"))
    image = ids(serving["A"])["film-1.png"]
    for reader in "AB":
        serving[reader].post(f"/api/images/{image}/events", json=event())
    rim = [[20 + 8 * np.cos(a), 15 + 8 * np.sin(a)] for a in (0.1, 1.3, 2.9, 4.4, 5.5)]
    serving["A"].post(f"/api/images/{image}/calibration", json={"kind": "circle", "points": rim, "mm": 25.4})
    scheme = serving.project.scheme
    for form in ("csv", "json"):
        write_annotations(tmp_path / f"out.{form}", study_of(serving.project, None))
        study = with_films(read_annotations(tmp_path / f"out.{form}"), images)
        told = told_films(study, images)
        assert told["film-1.png"].spacing is None  # nobody else answers for it
        store = Store.at(tmp_path / form / "annotations.sqlite")
        for _ in range(2):
            project = open_project("films", scheme, store, Films(images, told), [Account("A"), Account("B")])
            import_study(project, study, images, "A")
        spacing = store.readings_by("A")["film-1.png", 1].film.spacing
        assert spacing is not None
        assert (spacing.source, spacing.x_mm) == (SpacingSource.KNOWN_BALL, pytest.approx(25.4 / 16))
        assert store.readings_by("B")["film-1.png", 1].film.spacing is None
        store.close()


def test_a_project_grows_landmarks_and_loses_none(serve: Serve) -> None:
    store = serve().project.store
    keep_scheme(store, Scheme.from_names((*NAMES, "coccyx"), "hips-4"))
    with pytest.raises(InputError, match="lacks a landmark") as error:
        keep_scheme(store, Scheme.from_names(NAMES[:2], "hips-2"))
    assert error.value.value == "sacrum"


def test_a_folder_without_a_film_is_refused_with_the_reason(serve: Serve, images: Path) -> None:
    project = serve().project
    for path in images.glob("*.png"):
        path.unlink()
    (images / "torn.png").write_bytes(b"torn")
    with pytest.raises(InputError, match="no image found that can be annotated") as error:
        open_project("x", project.scheme, project.store, project.films, project.readers)
    assert error.value.value == "torn.png"


# -------------------------------------------------------------------------------------------- the model in the loop


class Model:
    """Stands in for a network: the same points for every film, and a confidence that falls from film to film."""

    def __init__(self, confidence: dict[str, float] | None = None) -> None:
        self.confidence = confidence or {}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, film: Film) -> Marks:
        name = film.name
        self.gate.wait(timeout=10)
        self.asked.append(name)
        if name == "film-10.png":
            raise ValueError("the network is out of its mind, and says /home/somebody")
        scheme = Scheme.from_names((*NAMES, "of another model"), "hips")
        points = np.array([[10.5, 11.25], [20.0, 21.0], [np.nan, np.nan], [1, 1]])
        states = np.array([0, 0, 2, 0], np.int8)
        sure = np.full(4, self.confidence.get(name, 0.75))
        return Marks(scheme, film.frame, points, states, name, ModelAuthor("", "net 1"), confidence=sure)


@pytest.fixture
def model() -> Model:
    return Model()


def with_model(serve: Serve, model: Model, *readers: Account) -> Serving:
    return serve(*readers, proposer=lambda store, films: Proposer("net 1", model, store, films))


def ready(client: Any, image: str) -> dict[str, Any]:
    for _ in range(200):
        answer = client.get(f"/api/images/{image}/proposals").json()
        if answer.get("status") != "pending":
            return answer
        time.sleep(0.02)
    raise AssertionError("no proposal came")


def test_a_proposal_is_computed_once_and_is_nobodys_reading(serve: Serve, model: Model) -> None:
    serving = with_model(serve, model)
    client = serving["A"]
    image = ids(client)["film-1.png"]
    model.gate.clear()
    assert client.get(f"/api/images/{image}/proposals").json()["status"] == "pending"
    model.gate.set()
    answer = ready(client, image)
    assert (answer["status"], answer["model"], answer["uncertainty"]) == ("ready", "net 1", 0.25)
    assert answer["landmarks"] == {
        "hip_right": {"x": 10.5, "y": 11.25, "state": "present", "confidence": 0.75},
        "hip_left": {"x": 20.0, "y": 21.0, "state": "present", "confidence": 0.75},
        "sacrum": {"x": None, "y": None, "state": "absent", "confidence": 0.75},
    }
    ready(client, image)
    assert model.asked == ["film-1.png"]
    assert client.get(f"/api/images/{image}").json()["landmarks"] == {}
    assert serving.project.store.event_ids() == set()
    said(client.get("/api/export"), 404)


def test_a_proposal_for_other_pixels_is_made_anew(serve: Serve, model: Model, images: Path) -> None:
    client = with_model(serve, model)["A"]
    image = ids(client)["film-1.png"]
    ready(client, image)
    film(images / "film-1.png", seed=77)  # nobody has marked it yet
    client.get(f"/api/images/{image}")
    ready(client, image)
    assert model.asked == ["film-1.png", "film-1.png"]


def test_only_the_proposed_point_can_be_accepted(serve: Serve, model: Model) -> None:
    serving = with_model(serve, model)
    client = serving["A"]
    path = f"/api/images/{ids(client)['film-1.png']}"
    accepted = event("hip_right", 10.5, 11.25, how="accepted")
    assert "no proposal" in said(client.post(f"{path}/events", json=accepted), 422)
    ready(client, path.rsplit("/", 1)[1])
    for wrong in ({"x": 10.52}, {"state": "occluded"}, {"x": None, "y": None, "state": "absent"}):
        assert "not the point" in said(client.post(f"{path}/events", json=accepted | wrong), 422)
    assert client.post(f"{path}/events", json=accepted).status_code == 200
    gone = event("sacrum", None, None, state="absent", how="accepted")
    assert client.post(f"{path}/events", json=gone).status_code == 200
    mark = client.get(path).json()["landmarks"]["hip_right"]
    assert (mark["how"], mark["x"]) == ("accepted", 10.5)
    with serving.project.store._engine.connect() as c:
        assert c.exec_driver_sql("SELECT model FROM events").scalars().all() == ["net 1", "net 1"]


def test_who_reads_blind_gets_no_proposal_and_no_uncertainty(serve: Serve, model: Model) -> None:
    serving = with_model(serve, model, Account("A"), Account("B", blind=True, proposals=False))
    image = ids(serving["A"])["film-1.png"]
    ready(serving["A"], image)
    assert serving["A"].get(f"/api/images/{image}").json()["uncertainty"] == 0.25
    said(serving["B"].get(f"/api/images/{image}/proposals"), 403)
    assert serving["B"].get(f"/api/images/{image}").json()["uncertainty"] is None
    assert serving["B"].get("/api/project").json()["has_model"] is False
    accepted = event("hip_right", 10.5, 11.25, how="accepted")
    said(serving["B"].post(f"/api/images/{image}/events", json=accepted), 422)


def test_the_least_certain_film_comes_first_when_asked(serve: Serve) -> None:
    serving = with_model(serve, Model({"film-1.png": 0.9, "film-2.png": 0.3}))
    proposer = serving.project.proposer
    assert proposer is not None
    proposer.ahead()
    for _ in range(200):
        if len(serving.project.store.without_proposal("net 1")) == 1:
            break
        time.sleep(0.02)
    assert list(ids(serving["A"], order="uncertainty")) == ["film-2.png", "film-1.png", "film-10.png"]


def test_a_model_that_fails_on_a_film_says_so_and_goes_on(serve: Serve, model: Model) -> None:
    client = with_model(serve, model)["A"]
    for _ in range(200):
        answer = client.get(f"/api/images/{ids(client)['film-10.png']}/proposals")
        if answer.status_code != 200:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the model did not come to an end")
    assert said(answer, 422) == "the model failed on this image (ValueError)"
    assert ready(client, ids(client)["film-1.png"])["status"] == "ready"


def test_without_a_model_there_is_no_proposal(serve: Serve) -> None:
    client = serve()["A"]
    answer = client.get(f"/api/images/{ids(client)['film-1.png']}/proposals").json()
    assert (answer["status"], answer["landmarks"]) == ("none", {})
