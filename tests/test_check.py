"""A small data set that is sound, then one fault at a time; what is reported is compared with what was done to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dicom_files
from radmark.check import Checked, check_dataset
from radmark.core import Spacing, SpacingSource
from radmark.io import Problem

SHARED = Path(__file__).parents[2] / "shared/data"

Row = dict[str, str]
Rows = list[Row]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six films of six patients, 100 wide and 80 high, all different."""
    (tmp_path / "images").mkdir()
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 255, (80, 100)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{i}.png")
    return tmp_path


def sound_rows() -> Rows:
    return [
        {
            "image_name": f"{i}.png",
            "image_width": "100",
            "image_height": "80",
            "n_landmarks": "3",
            "hip_right_x": "60",
            "hip_right_y": "70",
            "hip_left_x": f"{80 + i}",
            "hip_left_y": "70",
            "sacrum_x": "70",
            "sacrum_y": "60",
            "patient_id": f"P{i}",
            "spacing_x_mm": "0.2",
            "spacing_y_mm": "0.2",
            "split": "train" if i < 4 else "test",
        }
        for i in range(6)
    ]


@pytest.fixture
def check(folder: Path) -> Callable[..., Checked]:
    def write_and_check(rows: Rows, **options: Any) -> Checked:
        table = folder / "points.csv"
        table.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
        return check_dataset(table, folder / "images", **options)

    return write_and_check


def brief(problems: tuple[Problem, ...]) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.cause.row) for problem in problems]


def test_a_sound_data_set_is_counted_and_nothing_is_found(check, folder):
    report = check(sound_rows())
    assert report.problems == ()
    assert (report.n_rows, report.n_images, report.n_patients) == (6, 6, 6)
    assert report.parts == {"train": 4, "test": 2}
    assert report.sizes == {(100, 80): 6}
    assert report.spacing_mm == (0.2, 0.2)
    assert report.as_text().splitlines() == [
        f"{folder / 'points.csv'}, images in {folder / 'images'}",
        "6 images, 6 patients, 3 landmarks (scheme custom)",
        "split: train 4, test 2",
        "sizes: 100 x 80 (6)",
        "spacing: 0.2 mm",
        "",
        "No error: this data set can be trained on.",
    ]


def without(name: str) -> Callable[[Rows], None]:
    def empty(rows: Rows) -> None:
        for row in rows:
            row[f"{name}_x"] = row[f"{name}_y"] = ""

    return empty


def sides_as_the_viewer_sees_them(rows: Rows) -> None:
    for row in rows:
        row["hip_right_x"], row["hip_left_x"] = row["hip_left_x"], row["hip_right_x"]


def first_is(**cells: str) -> Callable[[Rows], None]:
    return lambda rows: rows[0].update(cells)


FAULTS: dict[str, tuple[Callable[[Rows], object], str, str, int | None, str]] = {
    "a film that is not there": (first_is(image_name="9.png"), "error", "missing-image", 2, "no such image"),
    "a wrong size": (first_is(image_width="99"), "error", "image-size", 2, "0.png is 100 wide and 80 high, not 99"),
    "a point outside": (first_is(sacrum_y="80"), "error", "outside-image", 2, "sacrum lies outside"),
    "a wrong count": (first_is(n_landmarks="4"), "error", "point-count", 2, "columns for 3 landmarks"),
    "a film twice": (lambda rows: rows.append(rows[0]), "error", "duplicate-name", 8, "is in row 2 already"),
    "a patient in two parts": (
        first_is(patient_id="P5"), "error", "parted-patient", 7, "patient P5 is in part train (0.png) and in part test",
    ),
    "one patient": (
        lambda rows: [row.update(patient_id="P", split="") for row in rows], "error", "one-patient", None, "all images",
    ),
    "a landmark nobody placed": (without("sacrum"), "error", "rare-landmark", None, "sacrum is placed in no image"),
    "a landmark placed twice": (
        lambda rows: without("sacrum")(rows[2:]), "warning", "rare-landmark", None, "sacrum is placed in 2 images only",
    ),
    "swapped sides": (
        lambda rows: sides_as_the_viewer_sees_them(rows[:1]), "warning", "swapped-sides", 2,
        "hip_right lies to the right of hip_left, left of it in 5 of 6 images",
    ),
    "the viewer's sides": (sides_as_the_viewer_sees_them, "warning", "viewer-sides", None, "hip_right lie to"),
    "two landmarks at one place": (
        first_is(sacrum_x="60", sacrum_y="70"), "warning", "same-place", 2, "hip_right and sacrum are at the very same",
    ),
    "a click in the corner": (first_is(sacrum_x="1", sacrum_y="2"), "warning", "corner-points", 2, "1 point within 50"),
    "a spacing ten times off": (
        first_is(spacing_x_mm="0.02", spacing_y_mm="0.02"), "warning", "spacing", 2, "0.02 mm is more than three times",
    ),
    "pixels that are not square": (first_is(spacing_x_mm="0.25"), "warning", "spacing", 2, "0.25 mm wide and 0.2 mm"),
    "a spacing that is missing": (
        first_is(spacing_x_mm="", spacing_y_mm=""), "warning", "spacing", 2, "1 image without a spacing among 6",
    ),
    "a spacing of one": (
        lambda rows: [row.update(spacing_x_mm="1", spacing_y_mm="1") for row in rows],
        "warning", "spacing", 2, "6 images with a spacing of exactly 1.0 mm",
    ),
    "a film without a row": (lambda rows: rows.pop(), "warning", "no-annotation", None, "has no row: 5.png"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "severity", "kind", "row", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_where_it_is(check, spoil, severity, kind, row, words):
    rows = sound_rows()
    spoil(rows)
    report = check(rows)
    (finding,) = [finding for finding in report.problems if finding.kind == kind][:1]
    assert (finding.severity, finding.cause.row) == (severity, row)
    assert words in finding.cause.problem
    assert finding.cause.remedy
    assert str(finding.cause) in report.as_text()
    only_this = {(finding.kind, finding.severity) for finding in report.problems} - {("no-annotation", "warning")}
    assert only_this <= {(kind, severity), ("spacing", "warning")}


def test_names_of_one_side_only_are_noticed(check):
    rows = [{key.replace("hip_left", "hip_lft"): cell for key, cell in row.items()} for row in sound_rows()]
    (finding,) = check(rows).problems
    assert finding.kind == "one-sided"
    assert "hip_right has a side and no partner" in str(finding)


def test_sides_that_are_written_another_way_are_noticed(check):
    rows = [
        {key.replace("hip_left", "hipL").replace("hip_right", "hipR"): c for key, c in row.items()}
        for row in sound_rows()
    ]
    (problem,) = check(rows).problems
    assert problem.kind == "one-sided"
    assert "hipR, hipL look like two sides of one landmark" in str(problem)


def test_a_table_and_a_film_that_contradict_each_other_are_noticed(check, folder):
    pixels = np.random.default_rng(9).integers(0, 4096, (80, 100)).astype(np.uint16)
    dicom_files.film(folder / "images/6.dcm", pixels, ImageLaterality="R")
    rows = [{**row, "side": ""} for row in sound_rows()]
    rows.append({**rows[5], "image_name": "6.dcm", "side": "left"})
    (problem,) = [problem for problem in check(rows).problems if "contradicted" in problem.kind]
    assert (problem.severity, problem.kind, problem.cause.row) == ("warning", "side_contradicted", 8)
    assert "the table says left, the header says right" in problem.cause.problem


def test_broken_films_are_found_by_decoding_them(check, folder):
    film = folder / "images/1.png"
    content = bytearray(film.read_bytes())
    content[len(content) // 2] ^= 1  # the header is sound, so only decoding can tell
    film.write_bytes(bytes(content))
    (folder / "images/2.png").write_bytes(b"")
    report = check(sound_rows())
    assert {Path(str(finding.cause.file)).name for finding in report.errors} == {"1.png", "2.png"}
    assert {finding.kind for finding in report.errors} == {"unreadable-image"}
    assert (report.n_rows, report.n_images) == (6, 5)


def test_a_blank_film_is_an_error(check, folder):
    Image.new("L", (100, 80), 7).save(folder / "images/3.png")
    assert brief(check(sound_rows()).errors) == [("constant-image", 5)]


@pytest.mark.parametrize(
    ("cells", "severity", "words"),
    [
        ({"split": "test"}, "error", "1.png is the same picture, in another part of the split"),
        ({"split": "train"}, "error", "1.png is the same picture under another patient"),
        ({"split": "train", "patient_id": "P0"}, "warning", "1.png is the same picture, and counts twice"),
    ],
)
def test_one_picture_under_two_names_leaks_unless_it_is_one_patients(check, folder, cells, severity, words):
    (folder / "images/1.png").write_bytes((folder / "images/0.png").read_bytes())
    rows = sound_rows()
    rows[1].update(cells)
    (finding,) = check(rows).problems
    assert (finding.severity, finding.kind, finding.cause.row) == (severity, "same-picture", 2)
    assert words in finding.cause.problem


def test_absent_by_a_click_in_the_corner_is_counted_as_absent(check):
    rows = sound_rows()
    rows[0].update(sacrum_x="1", sacrum_y="2")
    report = check(rows, absent_corner_px=5)
    assert report.problems == ()
    count = report.landmarks["sacrum"]
    assert (count.placed, count.absent, count.not_annotated) == (5, 1, 0)
    assert "sacrum: placed in 5, absent in 1, not annotated in 0" in report.as_text()


def test_options_reach_the_table(check):
    report = check(sound_rows(), spacing=Spacing(0.3, 0.3, SpacingSource.FLAG), reader="anna")
    assert report.spacing_mm == (0.3, 0.3)
    assert "read by: anna" in report.as_text()


def test_a_table_that_cannot_be_read_is_one_error_and_no_traceback(tmp_path):
    report = check_dataset(tmp_path / "no.csv", tmp_path)
    assert len(report.errors) == 1
    assert "no.csv: there is no such table. Check the name and the folder." in report.as_text()


def test_many_findings_of_one_kind_are_cut_short_in_the_text(check):
    rows = [{**sound_rows()[0], "image_name": f"x{i}.png"} for i in range(40)]
    text = check(rows).as_text()
    assert "40 errors:" in text
    assert text.count("there is no such image") == 10
    assert "… and 30 more like these (missing-image)" in text


@pytest.mark.real_data
def test_the_cephalograms_have_no_error():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: the cephalograms may not be given away with the code")
    report = check_dataset(SHARED / "ceph/val_senior.csv", SHARED / "ceph/images", reader="senior")
    assert report.errors == ()
    assert [finding.kind for finding in report.warnings] == ["no-annotation"]
    assert (report.n_images, len(report.landmarks), report.sizes) == (148, 19, {(826, 1024): 148})
    assert report.scheme is not None
    assert report.scheme.name == "ceph-19"
