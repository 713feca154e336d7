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
def test_a_calibration_in_the_header_that_is_overridden_is_told_of_and_the_same_number_in_the_table_is_not(
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
    assert "overridden" not in own["flags"]
    replaced = height("0.12" if options else "0.2", *options)
    assert (replaced["value"], replaced["mm_from"]) == ("20", "flag" if options else "table")
    by = "given by the user" if options else "from the annotation table"
    assert (
        f"the header's own calibration, 0.12 x 0.12 mm per pixel, was overridden: these are {by}" in replaced["flags"]
    )
    assert (replaced["codes"], replaced["usable"]) == ("header_calibration_overridden", "check")
    ball = height("0.2", "--known-mm", "teardrop_right,teardrop_left,80", *options)
    assert ball["flags"].count("overridden: these are from two points of known distance") == 1


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
    overruled = run(made, tmp_path / "l.csv", "--side", "left")["ampta left"]
    assert "side: the user says left, the header says right; left is used" in overruled["flags"]
    assert overruled["usable"] == "check"
    assert "orientation unknown" in run(made, tmp_path / "u.csv", "--display", "unknown")["ampta right"]["flags"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cone-beam", "1150,100"], "SID,HEIGHT,LATERAL,UP"),
        (["--pelvic-tilt-deg", "90"], "-60 to 60"),
        (["--cone-beam", "1150,900,0,0"], "SID,HEIGHT,LATERAL,UP"),
        (["--magnification", "2"], "1 to 1.6"),
        (["--spacing-mm", "wide"], "0.143,0.144"),
        (["--sd-px", "-1"], "standard deviation"),
        (["--head-mm", "wide"], "head_mm"),
        (["--scale-sd-percent", "-1"], "--scale-sd-percent"),
        (["--head-mm", "32", "--known-mm", "teardrop_right,teardrop_left,120"], "one object"),
        (["--ball-mm", "nowhere,ball,25"], "no such landmark (got 'nowhere')"),
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


# ------------------------------------------------------------------------------------------- many films, each its own facts

KNEE = {
    "femoral_shaft_proximal": (500.0, 100.0), "femoral_shaft_distal": (500.0, 400.0),
    "tibial_shaft_proximal": (500.0, 500.0), "tibial_shaft_distal": (500.0 + 300 * math.tan(math.radians(5)), 800.0),
}  # fmt: skip
"""The tibia's lower end lies 5 degrees towards the right of the picture: lateral on the left, medial on the right."""


def study(folder: Path, points: dict[str, tuple[float, float]], films: dict[str, dict[str, str]]) -> Path:
    """A table of films with the same points, each with cells of its own; no film is there."""
    facts = list(dict.fromkeys(name for cells in films.values() for name in cells if name not in points))
    columns = ["image_name", "image_width", "image_height", "n_landmarks", *facts]
    lines = [",".join([*columns, *(f"{name}_{axis}" for name in points for axis in "xy")])]
    for film, cells in films.items():
        own = [film, "2000", "2000", str(len(points)), *(f'"{cells.get(fact, "")}"' for fact in facts)]
        lines.append(",".join([*own, *("" if name in cells else f"{v}" for name in points for v in points[name])]))
    (folder / "points.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "points.csv"


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_table_with_sizes_needs_no_film_and_every_film_has_its_own_side(tmp_path: Path) -> None:
    made = study(tmp_path, KNEE, {"a.png": {"side": "left"}, "b.png": {"side": "right"}, "c.png": {}})
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv")]) == 0
    told = {row["image_name"]: row for row in rows_of(tmp_path / "m.csv") if row["key"] == "tibiofemoral_angle"}
    assert {name: (row["side"], row["value"]) for name, row in told.items()} == {
        "a.png": ("left", "5"), "b.png": ("right", "-5"), "c.png": ("", ""),
    }  # fmt: skip
    assert told["c.png"]["in_words"] == "not computable: missing [the film's side]"


def test_the_columns_of_earlier_versions_stay_and_two_are_new(tmp_path: Path) -> None:
    made = study(tmp_path, KNEE, {"a.png": {"side": "left"}})
    row = run(made, tmp_path / "m.csv")["tibiofemoral_angle left"]
    earlier = [
        "image_name", "key", "title", "side", "value", "unit", "sd", "points", "line", "sign", "source", "mm_from", "flags",
        "missing", "reason", "published", "scale_sd_percent", "in_words",
    ]  # fmt: skip
    assert list(row) == [*earlier, "usable", "codes"]
    assert (row["usable"], row["codes"]) == ("yes", "orientation_unknown; square_pixels_assumed")


def test_one_films_fault_leaves_the_others_their_rows_and_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """b has no third point on the head's outline; c.png is a picture of another size than the table says."""
    points = {**tha_film(), "femoral_head": (1390.0, 720.0)}
    made = study(
        tmp_path, points, {"a.png": {"side": "left"}, "b.png": {"side": "left", "head_rim_3": ""}, "c.png": {}}
    )
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "c.png")
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv"), "--head-mm", "32"]) == 0
    told = capsys.readouterr()
    assert "1 of 3 films cannot be calibrated as asked: their lengths are in pixels" in told.err
    assert "1 of 3 films were not measured; the row of each says why" in told.err
    heights = {row["image_name"]: row for row in rows_of(tmp_path / "m.csv") if row["key"] == "hip_centre_height"}
    assert (heights["a.png"]["unit"], heights["a.png"]["mm_from"]) == ("mm", "known-head")
    assert float(heights["a.png"]["value"]) == pytest.approx(80 * 32 / 184, rel=1e-5)
    assert (heights["b.png"]["value"], heights["b.png"]["unit"], heights["b.png"]["usable"]) == ("80", "px", "check")
    assert "no millimetres: 0 prosthetic heads have three landmarks" in heights["b.png"]["flags"]
    (failed,) = (row for row in rows_of(tmp_path / "m.csv") if row["image_name"] == "c.png")
    assert (failed["key"], failed["value"], failed["usable"], failed["codes"]) == ("", "", "no", "not_measured")
    assert failed["in_words"] == "not computable: c.png is 100 wide and 100 high, not as the annotations say"

    assert main(["measure", str(made), "--out", str(tmp_path / "m.json"), "--head-mm", "32"]) == 0
    images = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["images"]
    assert [image["image_name"] for image in images] == ["a.png", "b.png", "c.png"]
    (finding,) = (f for f in images[1]["findings"] if f["code"] == "not_calibrated")
    assert (finding["severity"], finding["about"]) == ("check", "millimetres")
    length = next(m for m in images[1]["measurements"] if m["key"] == "hip_centre_height")
    assert finding in length["findings"]
    assert (finding["words"] in length["flags"], length["usable"]) == (True, "check")


def test_where_no_film_can_be_measured_the_first_fault_is_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = study(tmp_path, KNEE, {"a.png": {}})
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "a.png")
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv")]) == 2
    assert "a.png is 100 wide and 100 high" in capsys.readouterr().err
    assert not (tmp_path / "m.csv").exists()


def test_a_head_that_no_film_has_landmarks_for_is_refused_before_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = study(tmp_path, KNEE, {"a.png": {}})
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv"), "--head-mm", "32"]) == 2
    assert "--head-mm NAME,NAME,NAME,MM" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--films", "--images", "--images-of"])
def test_a_folder_of_films_is_called_so_and_a_film_it_lacks_is_told_of(tmp_path: Path, option: str) -> None:
    made = study(tmp_path, KNEE, {"a.dcm": {}, "b.dcm": {"side": "left"}})
    (tmp_path / "films").mkdir()
    dicom_files.film(tmp_path / "films" / "a.dcm", np.zeros((2000, 2000), np.uint16), ImageLaterality="R")
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv"), option, str(tmp_path / "films")]) == 0
    told = {row["image_name"]: row for row in rows_of(tmp_path / "m.csv") if row["key"] == "tibiofemoral_angle"}
    assert (told["a.dcm"]["side"], told["a.dcm"]["value"]) == ("right", "-5")
    assert "file_missing" not in told["a.dcm"]["codes"]
    assert (told["b.dcm"]["value"], told["b.dcm"]["usable"]) == ("5", "check")
    assert "file_missing" in told["b.dcm"]["codes"]


def test_a_table_and_a_header_that_name_different_sides_give_no_signed_value(tmp_path: Path) -> None:
    made = study(tmp_path, KNEE, {"a.dcm": {"side": "left"}})
    dicom_files.film(tmp_path / "a.dcm", np.zeros((2000, 2000), np.uint16), ImageLaterality="R")
    row = run(made, tmp_path / "m.csv")["tibiofemoral_angle"]
    assert row["in_words"] == ("not computable: side: the table says left, the header says right; left is used")
    overruled = run(made, tmp_path / "l.csv", "--side", "left")["tibiofemoral_angle left"]
    assert (overruled["value"], overruled["usable"]) == ("5", "check")


def test_several_readings_of_a_film_are_told_apart_by_their_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = study(tmp_path, KNEE, {"a.png": {"side": "left", "reader": "R1"}})
    text = made.read_text(encoding="utf-8")
    row = text.splitlines()[1]
    made.write_text(text + row.replace('"R1"', '"R2"').replace("500.0,400.0", "480.0,400.0") + "\n", encoding="utf-8")
    assert main(["measure", str(made), "--out", str(tmp_path / "m.csv")]) == 2
    assert "--reader: R1; R2" in capsys.readouterr().err
    first = run(made, tmp_path / "m.csv", "--reader", "R1")["tibiofemoral_angle left"]
    second = run(made, tmp_path / "n.csv", "--reader", "R2")["tibiofemoral_angle left"]
    assert float(first["value"]) == pytest.approx(5)
    assert float(second["value"]) == pytest.approx(
        5 + math.degrees(math.atan(20 / 300))
    )  # the shaft leans the other way


@pytest.mark.parametrize("name", ["points.json", "coco.json", "points.tps"])
def test_other_formats_are_measured_as_the_table_is(tmp_path: Path, name: str) -> None:
    made = study(tmp_path, KNEE, {"a.png": {}})
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "a.png")
    target = ["--to", "coco"] if name == "coco.json" else []
    assert main(["convert", str(made), str(tmp_path / name), *target]) == 0
    table_says = run(made, tmp_path / "m.csv", "--side", "left")["tibiofemoral_angle left"]
    scheme = tmp_path / "knee.toml"
    landmarks = "".join(f'[[landmark]]\nname = "{n}"\ndefinition = "as drawn"\n' for n in KNEE)
    scheme.write_text(f'name = "knee"\nsource = "this test"\n{landmarks}', encoding="utf-8")
    options = ["--scheme", str(scheme)] if name.endswith(".tps") else []
    other = run(tmp_path / name, tmp_path / "n.csv", "--side", "left", *options)["tibiofemoral_angle left"]
    assert other["value"] == table_says["value"] == "5"
