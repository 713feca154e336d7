"""What a report can become: registered by one file each, the same written at once or film by film, and for anybody's marks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from radmark.core import Film, InputError, Marks, Report, Scheme, Spacing, SpacingSource
from radmark.core.marks import Mark, Model, Origin, Reader, State
from radmark.io import read_annotations
from radmark.io.formats import points_json, table
from radmark.measure import examine
from radmark.outputs import Options, Writer, outputs, write
from radmark.outputs.output import Line, Output
from radmark.outputs.studies import study_of

NAMES = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
SCHEME = Scheme.from_names(NAMES, "hip")
POINTS = np.array([[40.0, 70.0], [64.0, 70.0], [36.0, 83.25], [68.0, 82.0]])


def report(name: str, *, spacing: Spacing | None = None, **marks: Mark) -> Report:
    pixels = np.zeros((110, 100), np.uint8)
    film = Film.from_array(pixels, name, spacing_mm=spacing)
    each = {n: Mark(State.PRESENT, x, y) for n, (x, y) in zip(NAMES, POINTS, strict=True)} | marks
    return examine(film, Marks.of(SCHEME, film.frame, each, film=name, author=Model("ab" * 32, "run-7")))


SURE = Mark(State.PRESENT, 40.0, 70.0, confidence=0.75, origin=Origin.PREDICTED)
REPORTS = [
    report("a.png"),
    report("b.png", spacing=Spacing(0.5, 0.25, SpacingSource.FLAG), teardrop_right=SURE),
    report("c/d.png", lesser_trochanter_left=Mark(State.ABSENT)),
]
"""No two know the same: one says nothing more, one has millimetres and a confidence, one lacks a landmark."""


@pytest.mark.parametrize("reports", [REPORTS, REPORTS[:1], REPORTS[::-1]])
def test_a_table_written_film_by_film_is_the_formats_own_to_the_last_byte(
    tmp_path: Path, reports: list[Report]
) -> None:
    write(reports, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == table.text(study_of(reports))
    write(reports, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == points_json.text(study_of(reports))


def test_parquet_holds_the_tables_values_as_numbers_and_the_columns_a_table_leaves_out(tmp_path: Path) -> None:
    write(REPORTS, tmp_path / "a.parquet", measure=True)
    write(REPORTS, tmp_path / "a.csv", measure=True)
    study = read_annotations(tmp_path / "a.csv")
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["image_name"] for row in rows] == list(study.names)
    for row, (film, marks) in zip(rows, study.rows, strict=True):
        for name in NAMES:
            x, y = (None, None) if np.isnan(marks[name][0]) else marks[name]
            assert (row[f"{name}_x"], row[f"{name}_y"], row[f"{name}_state"]) == (x, y, marks.mark(name).state.label)
        assert (row["image_width"], row["model_sha256"]) == (100, "ab" * 32)
        assert row["spacing_x_mm"] == (None if film.spacing is None else film.spacing.x_mm)
    assert "problem" not in rows[0]
    measured = pq.read_table(tmp_path / "a.measurements.parquet").to_pylist()
    cells = [line.split(",") for line in (tmp_path / "a.measurements.csv").read_text(encoding="utf-8").splitlines()]
    assert len(measured) == len(cells) - 1
    assert {m["value"] for m in measured if m["image_name"] == "a.png" and m["key"] == "leg_length_discrepancy"} == {
        1.25
    }


def test_a_batch_says_of_each_film_what_was_wrong_with_it(tmp_path: Path) -> None:
    options = Options(batch=True)
    for name in ("csv", "json", "parquet"):
        rows = outputs()[name].rows
        assert rows is not None
        lines = [
            Line("a.png", rows.of(REPORTS[0], options), sha256="aa"),
            Line("bad.png", None, "the image file is empty", "bb"),
        ]
        # A journal holds them as JSON.
        lines = [Line(line.film, json.loads(json.dumps(line.row)), line.problem, line.sha256) for line in lines]
        rows.write(tmp_path / f"r.{name}", lambda lines=lines: iter(lines), SCHEME, options)
    images = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
    said = [(i["image_name"], i["problem"], i["sha256"]) for i in images]
    assert said == [("a.png", None, "aa"), ("bad.png", "the image file is empty", "bb")]
    rows_ = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [(r["image_name"], r["problem"], r["sha256"]) for r in rows_] == said
    for name in ("csv", "json"):
        assert [film.name for film, _ in read_annotations(tmp_path / f"r.{name}").rows] == ["a.png"]
    problems = (tmp_path / "r.problems.csv").read_text(encoding="utf-8")
    assert problems == "image_name,problem,sha256\nbad.png,the image file is empty,bb\n"


def test_an_output_of_another_package_is_found_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(path: Path, reports: Any, options: Options) -> None:
        assert not options.measure
        path.write_text(f"{sum(len(r.computed) for r in reports)}", encoding="utf-8")

    class Entry:
        def load(self) -> Output:
            return Output("count", "how many", "text/plain", (".count",), count)

    monkeypatch.setattr(
        "radmark.outputs.output.entry_points", lambda group: [Entry()] if group == "radmark.outputs" else []
    )
    outputs.cache_clear()
    try:
        write(REPORTS, tmp_path / "n.count")
        assert (tmp_path / "n.count").read_text(encoding="utf-8") == str(sum(len(r.computed) for r in REPORTS))
        with pytest.raises(InputError, match="count"):
            write(REPORTS, tmp_path / "n.xlsx")
    finally:
        outputs.cache_clear()


def test_a_persons_marks_become_a_picture_and_the_picture_names_the_person(tmp_path: Path) -> None:
    one = REPORTS[0]
    by = examine(one.film, one.marks.by(Reader("Anna Berg", "2")))
    write(by, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[1] == 1100  # ten times as large, for words to be legible


def test_several_films_for_one_picture_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds one film, and 3 are given"):
        write(REPORTS, tmp_path / "a.png")
    write(REPORTS, tmp_path / "pictures", "png")
    assert len(list((tmp_path / "pictures").iterdir())) == 3
    with pytest.raises(InputError, match="already"):
        write(REPORTS, tmp_path / "pictures", "png")


@pytest.mark.parametrize("end", ["csv", "json"])
def test_millimetres_are_divided_by_a_magnification_once_however_often_they_are_read(tmp_path: Path, end: str) -> None:
    plain = report("a.png", spacing=Spacing(0.23, 0.23, SpacingSource.TABLE))
    magnified = examine(plain.film.stated(magnification=1.15), plain.marks)
    assert magnified["leg_length_discrepancy"].value == pytest.approx(1.25 * 0.2)
    for again in range(3):
        write(magnified, tmp_path / f"{again}.{end}")
        (row,) = read_annotations(tmp_path / f"{again}.{end}").rows
        magnified = examine(*row)
        leg = magnified["leg_length_discrepancy"]
        assert (leg.value, leg.mm_from) == (pytest.approx(1.25 * 0.2), "magnification")
    # Who then knows it better says so of the film, not of what was divided already.
    (row,) = read_annotations(tmp_path / f"2.{end}").rows
    better = examine(row.film.stated(magnification=1.25), row.marks)
    assert better["leg_length_discrepancy"].value == pytest.approx(1.25 * 0.23 / 1.25)


def test_a_writer_keeps_no_pixels_of_the_films_it_waits_with(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.csv", [r.film.name for r in REPORTS])
    for each in REPORTS:
        assert each.film.is_loaded
        writer.add(each)
    assert not any(kept.film.is_loaded for kept in writer._kept)
    writer.close()
    assert (tmp_path / "a.csv").is_file()
