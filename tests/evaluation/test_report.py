"""The report folder as a program, a spreadsheet and a browser see it."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from radmark.core import (
    Film,
    Frame,
    InputError,
    LandmarkDefinition,
    Marked,
    Marks,
    Scheme,
    Spacing,
    SpacingSource,
    State,
    Study,
)
from radmark.core.marks import Reader
from radmark.evaluation.metrics import point_errors, score
from radmark.evaluation.report import write_report

HOSTILE = '"><script>alert(1)</script>.png'
SCHEME = Scheme("knee", (LandmarkDefinition("medial_edge", "Where the <plateau> ends."), LandmarkDefinition("R&D")))
SPACING = Spacing(0.5, 0.25, SpacingSource.TABLE)


def truth_and_predictions(n=6, *, spacing: Spacing | None = SPACING, names=None, found=True, confidence=None):
    rng = np.random.default_rng(0)
    frame = Frame(60, 80, spacing)
    rows, predictions = [], []
    for i in range(n):
        name = names[i] if names else f"{i}.png"
        points = rng.uniform(15, 45, (2, 2))
        placed = points + rng.normal(0, 3, (2, 2)) if found else np.full((2, 2), np.nan)
        film = Film(name, (60, 80), spacing, load=loaded).stated(patient=f"p{i}")
        rows.append(Marked(film, Marks.present(SCHEME, frame, points, film=name, author=Reader("senior"))))
        sure = rng.uniform(0, 1, 2) if confidence is None else np.full(2, confidence)
        sure = np.where(found, sure, np.nan)
        predictions.append(Marks.present(SCHEME, frame, placed, film=name, confidence=sure))
    return Study(SCHEME, tuple(rows)), predictions


def loaded(film):
    pixels = np.random.default_rng(1).integers(0, 4000, (film.frame.height, film.frame.width), np.uint16)
    return replace(film, _pixels=pixels)


def report(out, study, predictions, **options):
    metrics = score(point_errors(study.rows, predictions), reader=study.reader, draws=50)
    write_report(out, study, predictions, metrics, title="Knees", **{"facts": {"Recipe": "paper"}, **options})
    return (out / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """One report that several tests look at: making the charts takes a second."""
    out = tmp_path_factory.mktemp("report") / "out"
    report(out, *truth_and_predictions())
    return out


def html_of(out):
    return (out / "index.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Elements and the text of a page; a tag that is closed without having been opened is an error."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "use", "path", "circle"})

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_folder_holds_metrics_errors_and_a_page(standard):
    assert sorted(path.name for path in standard.iterdir()) == ["errors.csv", "index.html", "metrics.json"]
    assert json.loads((standard / "metrics.json").read_text())["n_points"] == 12


def test_every_figure_of_errors_csv_can_be_computed_again_from_its_own_row(standard):
    with (standard / "errors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        dx, dy = (float(row[f"predicted_{axis}"]) - float(row[f"truth_{axis}"]) for axis in "xy")
        assert float(row["dx_px"]) == pytest.approx(dx, abs=1e-3)
        assert float(row["radial_error_px"]) == pytest.approx(np.hypot(dx, dy), abs=1e-3)
        assert float(row["radial_error_mm"]) == pytest.approx(np.hypot(dx * 0.5, dy * 0.25), abs=1e-3)
    mean = np.mean([float(row["radial_error_mm"]) for row in rows])
    assert json.loads((standard / "metrics.json").read_text())["mean_radial_error_mm"] == pytest.approx(mean, abs=1e-4)


def test_errors_csv_leaves_empty_what_there_is_not(tmp_path):
    frame = Frame(60, 80)
    points = np.array([[10.0, 10.0], [np.nan, np.nan]])
    truth = Marks(SCHEME, frame, points, np.array([State.PRESENT, State.ABSENT], np.int8), film="i")
    study = Study(SCHEME, (Marked(Film("i", (60, 80), load=loaded).stated(patient="p"), truth),))
    guess = Marks.of(SCHEME, frame, {"R&D": (5, 5)}, film="i", confidence=np.array([np.nan, 0.3]))
    report(tmp_path / "out", study, [guess])
    with (tmp_path / "out/errors.csv").open(newline="", encoding="utf-8") as file:
        lost, invented = csv.DictReader(file)
    assert (lost["truth_state"], lost["predicted_x"], lost["radial_error_px"], lost["confidence"]) == (
        "present",
        "",
        "",
        "",
    )
    assert (invented["truth_state"], invented["predicted_state"], invented["predicted_x"]) == ("absent", "present", "5")


def test_the_page_loads_nothing_from_anywhere(standard):
    html = html_of(standard)
    assert "http://" not in html
    assert "https://" not in html
    page = Page(html)
    assert page.all("img")
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert not page.all("link")
    assert not any("src" in script for script in page.all("script"))
    for use in page.all("use"):
        assert use["xlink:href"].startswith("#")


def test_the_page_names_its_pictures_its_tables_and_its_limits(standard):
    page = Page(html_of(standard))
    assert not page.open
    assert all(image["alt"] for image in page.all("img"))
    charts = [svg for svg in page.all("svg") if "aria-hidden" not in svg]
    assert len(charts) == 3
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in charts)
    assert all("scope" in head for head in page.all("th"))
    assert "research use only" in page.text
    assert "reader senior" in page.text
    assert "Recipe" in page.text


def test_no_identifier_stands_twice(standard):
    page = Page(html_of(standard))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_the_headline_is_the_mean_in_millimetres(standard):
    html = html_of(standard)
    mean = json.loads((standard / "metrics.json").read_text())["mean_radial_error_mm"]
    assert f"<strong>{mean:.2f} mm</strong>" in html


def test_without_spacing_the_page_speaks_of_pixels_and_says_why(tmp_path):
    page = Page(report(tmp_path / "out", *truth_and_predictions(spacing=None)))
    assert "spacing of at least one image is unknown" in page.text
    assert "within 2 px" in page.text
    assert " mm" not in page.text.replace("10 mm", "")


def test_hostile_names_stay_text(tmp_path):
    study, predictions = truth_and_predictions(2, names=[HOSTILE, "b.png"])
    html = report(tmp_path / "out", study, predictions, facts={HOSTILE: HOSTILE})
    assert "<script>alert" not in html
    page = Page(html)
    assert len(page.all("script")) == 1
    assert HOSTILE in page.text
    assert "Where the <plateau> ends." in page.text


@pytest.mark.parametrize("options", [{"n": 1}, {"n": 2}, {"found": False}, {"confidence": 0.5}])
def test_few_images_nothing_found_or_one_confidence_still_make_a_page(tmp_path, options):
    page = Page(report(tmp_path / "out", *truth_and_predictions(**options)))
    assert "nan" not in page.text.split()
    assert not page.open


def test_pictures_are_embedded_by_caption_and_other_files_refused(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "curve.png")
    page = Page(report(tmp_path / "out", *truth_and_predictions(), pictures={"Loss": tmp_path / "curve.png"}))
    assert page.all("img")[-1]["src"].startswith("data:image/png;base64,")
    assert page.all("img")[-1]["alt"] == "Loss"
    with pytest.raises(InputError, match=r"curve\.pdf"):
        report(tmp_path / "other", *truth_and_predictions(), pictures={"Loss": tmp_path / "curve.pdf"})
    assert not (tmp_path / "other").exists()


def test_a_report_that_exists_is_kept_unless_told_otherwise(tmp_path):
    def n_images() -> int:
        return json.loads((tmp_path / "out/metrics.json").read_text())["n_images"]

    report(tmp_path / "out", *truth_and_predictions(1))
    with pytest.raises(InputError, match="not empty"):
        report(tmp_path / "out", *truth_and_predictions(2))
    assert n_images() == 1
    report(tmp_path / "out", *truth_and_predictions(2), overwrite=True)
    assert n_images() == 2


def test_a_report_never_replaces_a_folder_with_somebody_elses_file(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(InputError, match="precious"):
        report(tmp_path / "out", *truth_and_predictions(1), overwrite=True)
    assert (tmp_path / "out" / "precious").exists()


def test_each_film_is_read_once_and_only_those_shown(tmp_path):
    study, predictions = truth_and_predictions(60)
    calls = []

    def counted(film):
        calls.append(film.name)
        return loaded(film)

    rows = tuple(Marked(replace(film, load=counted), marks) for film, marks in study.rows)
    study = replace(study, rows=rows)
    metrics = score(point_errors(study.rows, predictions), draws=10)
    write_report(tmp_path / "out", study, predictions, metrics, title="t", facts={})
    assert 0 < len(calls) == len(set(calls)) <= 20
