"""`radmark measure` as a user types it, and what its files may never say."""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dicom_files
from radmark.cli import main
from radmark.io import read_scheme, shipped_schemes

RIM = {"superolateral": 0, "inferomedial": 180, "upper_1": 45, "upper_2": 90, "upper_3": 135, "lower_1": 315, "lower_2": 270,
       "lower_3": 225}  # fmt: skip


def tha_film() -> dict[str, tuple[float, float]]:
    """A cup of 40 and 15 degrees on the patient's left, a head of 36.8 mm on a detector whose pixels are 0.2 mm."""
    points: dict[str, tuple[float, float]] = {"teardrop_right": (600.0, 800.0), "teardrop_left": (1200.0, 800.0)}
    along = (math.cos(math.radians(40)), -math.sin(math.radians(40)))
    short = math.sin(math.radians(15))
    for name, t in RIM.items():
        a, b = 130 * math.cos(math.radians(t)), 130 * short * math.sin(math.radians(t))
        points[f"cup_rim_{name}"] = (1400 + a * along[0] + b * along[1], 700 + a * along[1] - b * along[0])
    for k, t in enumerate((20, 90, 160), start=1):
        points[f"head_rim_{k}"] = (1390 + 92 * math.cos(math.radians(t)), 720 + 92 * math.sin(math.radians(t)))
    return points


def table(folder: Path, points: dict[str, tuple[float, float]], spacing: str = "") -> Path:
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(folder / "film.png")
    columns = ["image_name", "image_width", "image_height", "n_landmarks", "spacing_x_mm", "spacing_y_mm"]
    header = [*columns, *(f"{name}_{axis}" for name in points for axis in "xy")]
    row = [
        "film.png",
        "2000",
        "2000",
        str(len(points)),
        spacing,
        spacing,
        *(f"{v}" for xy in points.values() for v in xy),
    ]
    (folder / "points.csv").write_text(",".join(header) + "\n" + ",".join(row) + "\n", encoding="utf-8")
    return folder / "points.csv"


def run(points: Path, out: Path, *options: str) -> dict[str, dict[str, str]]:
    assert main(["measure", str(points), "--out", str(out), *options]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        return {row["key"] + (f" {row['side']}" if row["side"] else ""): row for row in csv.DictReader(stream)}


def test_a_cup_with_everything_a_user_can_ask_for(tmp_path: Path) -> None:
    points = table(tmp_path, tha_film(), spacing="0.2")
    (tmp_path / "my.toml").write_text(
        '[[measure]]\nkey = "rim_width"\nkind = "distance"\npoints = ["cup_rim_superolateral", "cup_rim_inferomedial"]\n',
        encoding="utf-8",
    )
    rows = run(
        points, tmp_path / "m.csv", "--side", "left", "--display", "standard", "--sd-px", "2", "--head-mm", "32",
        "--cup-definition", "operative", "--pelvic-tilt-deg", "-5", "--cone-beam", "1150,100,90,0", "--operated", "left",
        "--define", str(tmp_path / "my.toml"),
    )  # fmt: skip
    assert float(rows["cup_inclination left"]["value"]) == pytest.approx(40, abs=1e-3)
    assert float(rows["cup_anteversion_ellipse left"]["value"]) == pytest.approx(15, abs=1e-3)
    assert float(rows["cup_anteversion_ellipse left"]["sd"]) > 0
    key = "cup_anteversion_operative_cone_corrected_tilt_corrected left"
    assert "operative definition" in rows[key]["source"]
    assert float(rows["rim_width"]["value"]) == pytest.approx(260 * 0.2 / 1.15, rel=1e-5)
    assert (rows["rim_width"]["unit"], rows["rim_width"]["mm_from"]) == ("mm", "known-head")
    assert 0 < float(rows["rim_width"]["scale_sd_percent"]) < 5


def test_the_operated_side_and_the_lines_are_options(tmp_path: Path) -> None:
    points = {
        "teardrop_left": (1200.0, 800.0), "ischium_right": (550.0, 1000.0), "ischium_left": (1250.0, 1000.0),
        "lesser_trochanter_right": (450.0, 1130.0), "lesser_trochanter_left": (1350.0, 1100.0),
    }  # fmt: skip
    made = table(tmp_path, points, spacing="0.2")
    plain = run(made, tmp_path / "plain.csv", "--operated", "left")
    assert plain["leg_length_operated_minus_other left"]["in_words"] == "not computable: missing [teardrop_right]"
    rows = run(made, tmp_path / "m.csv", "--operated", "left", "--pelvic-reference", "bi-ischial")
    row = rows["leg_length_operated_minus_other left"]
    assert (float(row["value"]), row["line"]) == (pytest.approx(-6), "bi-ischial line")
    magnified = run(made, tmp_path / "x.csv", "--magnification", "1.2", "--scale-sd-percent", "1.5")
    row = magnified["leg_length_discrepancy_bi_ischial"]
    assert (float(row["value"]), row["mm_from"], row["scale_sd_percent"]) == (pytest.approx(5), "magnification", "1.5")


def test_a_headers_rows_and_columns_are_not_exchanged_and_its_detector_can_be_magnified(tmp_path: Path) -> None:
    """ImagerPixelSpacing is row, then column: 0.15 mm down and 0.144 mm across."""
    dicom_files.film(tmp_path / "film.dcm", np.zeros((2000, 2000), np.uint16), ImagerPixelSpacing=[0.15, 0.144])
    points = {
        "teardrop_right": (500.0, 800.0), "teardrop_left": (1300.0, 800.0), "lesser_trochanter_right": (400.0, 1240.0),
        "lesser_trochanter_left": (1400.0, 1200.0), "femoral_head_left": (1500.0, 700.0),
    }  # fmt: skip
    made = table(tmp_path, points)
    made.write_text(made.read_text(encoding="utf-8").replace("film.png", "film.dcm"), encoding="utf-8")
    plain = run(made, tmp_path / "plain.csv")
    assert float(plain["leg_length_discrepancy"]["value"]) == pytest.approx(40 * 0.15)
    assert float(plain["acetabular_offset left"]["value"]) == pytest.approx(200 * 0.144)
    assert plain["acetabular_offset left"]["mm_from"] == "dicom-detector"
    assert "smaller in the patient" in plain["acetabular_offset left"]["flags"]
    magnified = run(made, tmp_path / "m.csv", "--magnification", "1.2")
    assert float(magnified["leg_length_discrepancy"]["value"]) == pytest.approx(40 * 0.15 / 1.2)
    assert float(magnified["acetabular_offset left"]["value"]) == pytest.approx(200 * 0.144 / 1.2)
    assert magnified["acetabular_offset left"]["mm_from"] == "magnification"


@pytest.mark.parametrize("options", [["--spacing-mm", "0.2"], []])
def test_a_calibration_in_the_header_that_is_set_aside_is_told_of_and_the_same_number_in_the_table_is_not(
    tmp_path: Path, options: list[str]
) -> None:
    """0.14 mm on the detector, 0.12 by an object: a fiducial calibration."""
    dicom_files.film(
        tmp_path / "film.dcm", np.zeros((2000, 2000), np.uint16), ImagerPixelSpacing=[0.14, 0.14], PixelSpacing=[0.12, 0.12],
        PixelSpacingCalibrationType="FIDUCIAL",
    )  # fmt: skip
    points = {"teardrop_right": (500.0, 800.0), "teardrop_left": (1300.0, 800.0), "femoral_head_left": (1500.0, 700.0)}

    def height(column: str, *more: str) -> dict[str, str]:
        made = table(tmp_path, points, column)
        made.write_text(made.read_text(encoding="utf-8").replace("film.png", "film.dcm"), encoding="utf-8")
        return run(made, tmp_path / "m.csv", "--overwrite", *more)["hip_centre_height left"]

    own = height("0.12")
    assert (own["value"], own["mm_from"]) == ("12", "dicom-fiducial")
    assert "set aside" not in own["flags"]
    replaced = height("0.12" if options else "0.2", *options)
    assert (replaced["value"], replaced["mm_from"]) == ("20", "flag" if options else "table")
    by = "given by the user" if options else "from the annotation table"
    assert f"the header's own calibration, 0.12 x 0.12 mm a pixel, was set aside: these are {by}" in replaced["flags"]
    ball = height("0.2", "--known-mm", "teardrop_right,teardrop_left,80", *options)
    assert ball["flags"].count("set aside: these are from two points of known distance") == 1


def test_the_side_and_the_display_are_what_a_dicom_file_says_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    dicom_files.film(
        tmp_path / "film.dcm", np.zeros((2000, 2000), np.uint16), ImageLaterality="R", PatientOrientation=["R", "F"]
    )
    points = {"tibial_shaft_proximal": (900.0, 900.0), "tibial_shaft_distal": (900.0, 1900.0),
              "tibial_plateau_medial": (820.0, 800.0), "tibial_plateau_lateral": (980.0, 780.0)}  # fmt: skip
    made = table(tmp_path, points)
    made.write_text(made.read_text(encoding="utf-8").replace("film.png", "film.dcm"), encoding="utf-8")
    row = run(made, tmp_path / "m.csv")["ampta right"]
    assert "orientation unknown" not in row["flags"]
    assert "ampta left" in run(made, tmp_path / "l.csv", "--side", "left")
    assert "orientation unknown" in run(made, tmp_path / "u.csv", "--display", "unknown")["ampta right"]["flags"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cone-beam", "1150,100"], "SID,HEIGHT,LATERAL,UP"),
        (["--pelvic-tilt-deg", "90"], "tilted by so much"),
        (["--scale-sd-percent", "-1"], "--scale-sd-percent"),
        (["--head-mm", "32", "--known-mm", "teardrop_right,teardrop_left,120"], "one object"),
        (["--ball-mm", "nowhere,ball,25"], "film.png"),  # which film it is
        (["--define", "nowhere.toml"], "nowhere.toml"),
        (["--sd-from", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    points = table(tmp_path, tha_film())
    assert main(["measure", str(points), "--out", str(tmp_path / "m.csv"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "m.csv").exists()


VERDICTS = re.compile(r"\b(un)?safe(ly|ty)?\b|\b(ab)?normal\b|\bhealthy\b|\bpatholog|\bdysplas", re.IGNORECASE)


@pytest.mark.parametrize("scheme", shipped_schemes())
def test_no_file_calls_anything_safe_or_normal(tmp_path: Path, scheme: str) -> None:
    """Whatever the points: here they are scattered, so that every flag and reason has its chance."""
    names = read_scheme(scheme).names
    rng = np.random.default_rng(len(names))
    points = {name: tuple(rng.uniform(3, 1990, 2)) for name in names}
    made = table(tmp_path, points, spacing="0.2")
    for suffix in ("csv", "json"):
        out = tmp_path / f"m.{suffix}"
        options = ["--side", "left", "--operated", "left", "--cup-definition", "anatomic", "--sd-px", "2"]
        code = main(["measure", str(made), "--scheme", scheme, "--out", str(out), *options])
        if code == 2:
            assert scheme == "ceph-19"  # nothing is known of its landmarks
            return
        assert not VERDICTS.search(out.read_text(encoding="utf-8"))


def test_a_cup_inside_or_outside_the_box_is_told_in_the_agreed_words(tmp_path: Path) -> None:
    made = table(tmp_path, tha_film(), spacing="0.2")
    assert main(["measure", str(made), "--out", str(tmp_path / "m.json"), "--side", "left"]) == 0
    tree: Any = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert "esearch use only" in tree["use"]
    (image,) = tree["images"]
    flags = next(m["flags"] for m in image["measurements"] if m["key"] == "cup_inclination")
    assert "inside the Lewinnek reference box (historic reference, not predictive)" in flags


def test_the_help_promises_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["measure", "--help"])
    told = capsys.readouterr().out
    assert "--operated" in told
    assert not VERDICTS.search(told)
