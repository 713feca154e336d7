"""The results a prediction leaves, by a model whose answers are known: numbers by hand, and nobody's name out of its place.

What goes back to the archive (report, state, capture) belongs to the patient: it carries the patient and study modules of its
film and nothing else of the header. What stays with the user (tables, pictures, pages, words on the terminal) carries nothing of
it; a film's own file name stands in them, for without it a row could not be found.
"""

import contextlib
import csv
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import highdicom
import numpy as np
import pydicom
import pytest
from PIL import Image

from dicom_files import film
from programs import run
from radmark import cli
from radmark.core import Film, Marks, Scheme
from radmark.core.marks import Model
from radmark.core.study import Marked, Study
from radmark.evaluation.metrics import point_errors, score
from radmark.evaluation.report import write_report
from radmark.io import read_film

TRUTH = {  # 0.5 mm a pixel: the right leg is 12 px, 6 mm, longer
    "teardrop_right": (400.0, 700.0), "teardrop_left": (640.0, 700.0),
    "lesser_trochanter_right": (360.0, 832.0), "lesser_trochanter_left": (680.0, 820.0),
    "cup_rim_superolateral_left": (730.0, 650.0), "cup_rim_inferomedial_left": (650.0, 710.0),
    "cup_rim_third_left": (698.0, 690.0),
}  # fmt: skip
NAME = "PLANTEDNAME"
MODEL = Model("0123456789ab", "run-7")


class Perfect:
    """What `Predictor` is to the command line."""

    def __init__(self, points: dict[str, tuple[float, float]] = TRUTH) -> None:
        self.points = points
        self.scheme = Scheme.from_names(tuple(points), "hip")

    def __call__(self, film: Film) -> Marks:
        at, sure = np.array(list(self.points.values())), np.full(len(self.points), 0.9)
        return Marks.present(self.scheme, film.frame, at, film=film.name, author=MODEL, confidence=sure)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Radmark = Callable[..., Said]


@pytest.fixture
def radmark(monkeypatch: pytest.MonkeyPatch) -> Radmark:
    """Run a command with the perfect model; the words are those behind `radmark`."""
    monkeypatch.setattr("radmark.cli.predict.open_model", lambda *_, **__: Perfect())

    def do(*words: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main([str(word) for word in words])
            except SystemExit as leave:
                code = int(leave.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    return do


def hip(path: Path, **tags: Any) -> Path:
    """A DICOM film of 1000 x 1100 pixels of half a millimetre on the detector."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((1100, 1000), np.uint16)
    pixels[700, 400] = 4095
    return film(path, pixels, **{"ImagerPixelSpacing": [0.5, 0.5], "Modality": "DX", **tags})


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def named(path: Path, **tags: Any) -> Path:
    """A film that names the patient in all corners of its header that a result could be tempted to copy."""
    everywhere = {
        "PatientName": f"{NAME}^JANE", "PatientID": f"{NAME}1", "OtherPatientIDs": f"{NAME}2", "InstitutionName": f"{NAME}3",
        "ImageComments": f"{NAME}4", "StationName": f"{NAME}5", "OperatorsName": f"{NAME}6", "SeriesDescription": f"{NAME}7",
        "PixelSpacingCalibrationDescription": f"{NAME}8", "RequestingPhysician": f"{NAME}9", "DeviceSerialNumber": f"{NAME}10",
        "DerivationDescription": f"{NAME}11", "ProtocolName": f"{NAME}12",
    }  # fmt: skip
    hip(path, **everywhere | tags)
    ds = pydicom.dcmread(path)
    ds.add_new(0x00090010, "LO", f"{NAME}13")
    ds.add_new(0x00091001, "LO", f"{NAME}14")
    ds.save_as(path)
    return path


def private(text: str | bytes) -> bool:
    """Whether a name stands in it, in any case."""
    return NAME.lower() in (text.lower() if isinstance(text, str) else text.decode("latin-1").lower())


# -------------------------------------------------------------------------------------------------------------------- results


def test_measurements_go_beside_the_points_with_where_their_millimetres_come_from(
    radmark: Radmark, tmp_path: Path
) -> None:
    image = hip(tmp_path / "study" / "IM1")
    assert radmark("predict", "run", image.parent, "--out", tmp_path / "r.csv", "--measure").code == 0
    assert radmark("predict", "run", image.parent, "--out", tmp_path / "r.json", "--measure").code == 0
    rows = {row["key"]: row for row in table(tmp_path / "r.measurements.csv")}
    length = rows["leg_length_discrepancy"]
    told = [length[column] for column in ("image_name", "value", "unit", "mm_from")]
    assert told == ["IM1", "6", "mm", "dicom-detector"]
    assert "smaller in the patient" in length["flags"]
    (found,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
    assert found["film_flags"] == ["spacing_at_detector"]
    by_key = {m["key"]: m for m in found["measurements"] if m["value"] is not None}
    assert (by_key["leg_length_discrepancy"]["value"], by_key["leg_length_discrepancy"]["mm_from"]) == (
        6.0,
        "dicom-detector",
    )
    assert found["landmarks"]["teardrop_left"]["x"] == 640
    assert [row["image_name"] for row in table(tmp_path / "r.csv")] == ["IM1"]
    again = radmark("predict", "run", image.parent, "--out", tmp_path / "new.csv", "--measure")
    assert again.code == 0
    (tmp_path / "new.csv").unlink()  # its measurements are still somebody's
    assert "already" in radmark("predict", "run", image.parent, "--out", tmp_path / "new.csv", "--measure").err


CONTRADICTING = TRUTH | {  # the lesser trochanters have each other's names
    "lesser_trochanter_right": TRUTH["lesser_trochanter_left"], "lesser_trochanter_left": TRUTH["lesser_trochanter_right"],
    "femoral_head_left": (690.0, 680.0),
    "femoral_shaft_proximal_left": (740.0, 850.0), "femoral_shaft_distal_left": (740.0, 1000.0),
    "cup_rim_upper_1_left": (716.0, 655.5), "cup_rim_upper_2_left": (684.0, 672.0), "cup_rim_lower_1_left": (722.0, 664.0),
}  # fmt: skip


def groups_of(report: Path) -> dict[tuple[str, str], tuple[list[float], set[str]]]:
    """(finding, side) -> its numbers and its words, by pydicom alone."""
    found: dict[tuple[str, str], tuple[list[float], set[str]]] = {}

    def walk(item: Any) -> None:
        if item.get("ConceptNameCodeSequence") and item.ConceptNameCodeSequence[0].CodeValue == "125007":
            (finding,) = (i for i in item.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "121071")
            name = finding.ConceptCodeSequence[0].CodeMeaning
            words = {e.value for e in item.iterall() if e.keyword == "TextValue"}
            numbers = [float(e.value) for e in item.iterall() if e.keyword == "NumericValue"]
            side = next((w.removeprefix("side: ") for w in words if w.startswith("side: ")), "")
            assert (name, side) not in found
            found[name, side] = (numbers, words)
        for child in item.get("ContentSequence", []):
            walk(child)

    walk(pydicom.dcmread(report))
    return found


def test_every_format_and_radmark_measure_tell_the_same_results_flags_and_reasons(
    radmark: Radmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("radmark.cli.predict.open_model", lambda *_, **__: Perfect(CONTRADICTING))
    image = hip(
        tmp_path / "study" / "IM1",
        PatientOrientation=["L", "F"],
        LossyImageCompression="01",
        LossyImageCompressionRatio="30",
    )
    for out in ("r.csv", "r.json"):
        assert radmark("predict", "run", image.parent, "--out", tmp_path / out, "--measure").code == 0
    words = ("measure", tmp_path / "r.csv", "--images", image.parent, "--out")
    assert radmark(*words, tmp_path / "m.csv").code == 0
    assert radmark(*words, tmp_path / "m.json").code == 0
    for kind, end in (("dcm-all", ""), ("png", "a.png")):
        assert radmark("predict", "run", image, "--out", tmp_path / "o" / end, "--format", kind).code == 0

    rows = table(tmp_path / "r.measurements.csv")
    assert rows == table(tmp_path / "m.csv")  # the table it wrote, measured again
    (predicted,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
    (measured,) = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["images"]
    assert predicted["measurements"] == measured["measurements"]
    for row, result in zip(rows, measured["measurements"], strict=True):
        assert set(row) == {"image_name", "codes", *result} - {"findings"}  # which a table has as codes and flags
        findings = result.pop("findings")
        assert [f["words"] for f in findings] == result["flags"]
        assert row["codes"].split("; ") == list(dict.fromkeys(f["code"] for f in findings))
        for column, value in result.items():
            told = "; ".join(value) if isinstance(value, list) else "" if value is None else value
            assert row[column] == (f"{told:.6g}" if isinstance(told, float) else told), (row["key"], column)

    by_key = {(row["key"], row["side"]): row for row in rows}
    legs = by_key["leg_length_discrepancy", ""]
    assert legs["value"] == ""
    assert legs["reason"].startswith("right and left look swapped, lesser_trochanter_right lies to the patient's left")
    offset = by_key["femoral_offset", "left"]
    assert (offset["value"], offset["unit"], offset["mm_from"], offset["scale_sd_percent"]) == (
        "25",
        "mm",
        "dicom-detector",
        "2.5",
    )
    assert "smaller in the patient" in offset["flags"]
    for row in rows:
        assert "lossy compression" in row["flags"]
        assert "orientation unknown" not in row["flags"]  # the header says it

    groups = groups_of(tmp_path / "o" / "IM1.sr.dcm")
    with_value = {(m["title"], m["side"] or ""): m for m in measured["measurements"] if m["value"] is not None}
    landmarks = {(name.replace("_", " "), "") for name in CONTRADICTING}
    assert set(groups) == set(with_value) | landmarks
    assert len(with_value) >= 8
    for key, m in with_value.items():
        numbers, said = groups[key]
        assert numbers == [pytest.approx(m["value"], abs=5e-5)]
        assert {*m["flags"], f"against: {m['line']}", f"positive: {m['sign']}", f"after: {m['source']}"} <= said
        assert (m["mm_from"] is None) == (not any(w.startswith("millimetres from: ") for w in said))
        assert (m["published"] == "") == (f"published: {m['published']}" not in said)
    why = f"not computable: leg-length discrepancy: {legs['reason']}"
    assert why in groups["lesser trochanter left", ""][1]
    assert why not in groups["femoral head left", ""][1]
    state = pydicom.dcmread(tmp_path / "o" / "IM1.pr.dcm")
    shown = [t.UnformattedTextValue for a in state.GraphicAnnotationSequence for t in a.get("TextObjectSequence", [])]
    assert any(why in text for text in shown)
    assert sum(": " in t and "research" not in t for t in shown) == len(with_value)
    for file, checker in (
        (n, c) for n, c in (("sr", "dciodvfy"), ("sr", "dsrdump"), ("pr", "dciodvfy"), ("pr", "dcmpschk"))
    ):
        lines = run(checker, str(tmp_path / "o" / f"IM1.{file}.dcm")).splitlines()
        # Of a pelvis the checker wants a side, which it has not (docs/reports.md).
        assert [s for s in lines if s.startswith(("Error", "E:")) and "Laterality" not in s] == []


def test_key_points_for_coco_are_whole_where_the_centre_of_a_pixel_is_meant(radmark: Radmark, tmp_path: Path) -> None:
    image = hip(tmp_path / "study" / "IM1")
    words = ("predict", "run", image.parent, "--format", "coco", "--out", tmp_path / "points.json")
    assert "no place for measurements" in radmark(*words, "--measure").err
    assert not (tmp_path / "points.json").exists()
    assert radmark(*words).code == 0
    tree = json.loads((tmp_path / "points.json").read_text(encoding="utf-8"))
    assert tree["images"] == [{"id": 1, "file_name": "IM1", "width": 1000, "height": 1100}]
    (category,) = tree["categories"]
    assert category["keypoints"] == list(TRUTH)
    (found,) = tree["annotations"]
    assert (found["image_id"], found["category_id"], found["num_keypoints"]) == (1, category["id"], 7)
    assert found["keypoints"][:6] == [400, 700, 2, 640, 700, 2]  # the lit pixel: column 400, row 700
    assert found["keypoints"][0::3] == [x for x, _ in TRUTH.values()]
    assert found["keypoints"][1::3] == [y for _, y in TRUTH.values()]
    assert found["score"] == pytest.approx(0.9)
    assert "already" in radmark(*words).err
    assert "coco" in radmark("predict", "run", image, "--out", tmp_path / "a.txt").err


def test_a_png_says_nothing_of_left_and_right_and_every_measurement_says_so(radmark: Radmark, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1100, 1000), np.uint8)).save(tmp_path / "a.png")
    assert radmark("predict", "run", tmp_path / "a.png", "--out", tmp_path / "r.json", "--measure").code == 0
    (found,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
    assert all(any("orientation unknown" in flag for flag in m["flags"]) for m in found["measurements"])
    assert {m["unit"] for m in found["measurements"]} == {"px", "deg"}


def test_an_annotated_picture_lies_in_a_folder_or_where_it_is_told_to(radmark: Radmark, tmp_path: Path) -> None:
    hip(tmp_path / "study" / "a" / "IM1")
    hip(tmp_path / "study" / "a_IM1.dcm")
    assert radmark("predict", "run", tmp_path / "study", "--out", tmp_path / "png", "--format", "png").code == 0
    assert sorted(f.name for f in (tmp_path / "png").iterdir()) == ["a_IM1.annotated.png", "a_IM1.dcm.annotated.png"]
    assert radmark("predict", "run", tmp_path / "study" / "a", "--out", tmp_path / "one.png").code == 0
    picture = np.asarray(Image.open(tmp_path / "one.png"))
    assert picture.shape[0] == 1100
    assert picture.shape[1] > 1000
    assert tuple(picture[700, 400]) == (255, 69, 58)  # the cross of the right teardrop


def test_two_images_whose_results_would_have_one_name_are_refused(radmark: Radmark, tmp_path: Path) -> None:
    hip(tmp_path / "study" / "a" / "IM1")
    hip(tmp_path / "study" / "a_IM1")
    assert "one name" in radmark("predict", "run", tmp_path / "study", "--out", tmp_path / "o", "--format", "png").err


def test_report_state_and_capture_of_one_film_agree_with_the_numbers_worked_out_by_hand(
    radmark: Radmark, tmp_path: Path
) -> None:
    image = hip(tmp_path / "IM1")
    assert radmark("predict", "run", image, "--out", tmp_path / "o", "--format", "dcm-all").code == 0
    assert sorted(f.name for f in (tmp_path / "o").iterdir()) == ["IM1.pr.dcm", "IM1.sc.dcm", "IM1.sr.dcm"]
    content = cast("Any", highdicom.sr.srread(tmp_path / "o" / "IM1.sr.dcm").content)
    groups = content.get_planar_roi_measurement_groups()
    by_name = {group.finding_type.meaning: group for group in groups}
    assert by_name["leg-length discrepancy"].get_measurements()[0].value == 6.0
    ellipse = by_name["radiographic cup anteversion"].roi
    assert ellipse.graphic_type.value == "ELLIPSE"
    assert sorted(map(tuple, ellipse.value[:2].tolist())) == [(650.5, 710.5), (730.5, 650.5)]
    state = pydicom.dcmread(tmp_path / "o" / "IM1.pr.dcm")
    spots = [
        g.GraphicData
        for a in state.GraphicAnnotationSequence
        if a.GraphicLayer == "LANDMARKS"
        for g in a.GraphicObjectSequence
    ]
    assert [list(map(float, spot)) for spot in spots] == [[x + 0.5, y + 0.5] for x, y in TRUTH.values()]
    assert tuple(pydicom.dcmread(tmp_path / "o" / "IM1.sc.dcm").pixel_array[700, 400]) == (255, 69, 58)
    for kind in ("gsps", "sc"):
        assert radmark("predict", "run", image, "--out", tmp_path / f"{kind}.dcm", "--format", kind).code == 0


def test_results_of_one_frame_of_several_refer_to_that_frame(radmark: Radmark, tmp_path: Path) -> None:
    loop = film(
        tmp_path / "XA1",
        np.zeros((3, 1100, 1000), np.uint8),
        bits=8,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1",
        Modality="XA",
        WindowCenter=100,
        WindowWidth=50,
    )
    words = ("predict", "run", loop, "--out", tmp_path / "o", "--format", "dcm-all")
    assert "Choose one with --frame, 1 to 3" in radmark(*words).err
    assert radmark(*words, "--frame", 2).code == 0
    for file in (tmp_path / "o").iterdir():
        frames = {int(e.value) for e in pydicom.dcmread(file).iterall() if e.keyword == "ReferencedFrameNumber"}
        assert frames == {2}, file
    window = pydicom.dcmread(tmp_path / "o" / "XA1.pr.dcm").SoftcopyVOILUTSequence[0]
    assert (float(window.WindowCenter), float(window.WindowWidth)) == (100, 50)  # the film's own


def test_a_picture_of_a_film_with_text_in_its_pixels_waits_for_somebody_to_look(
    radmark: Radmark, tmp_path: Path
) -> None:
    image = hip(tmp_path / "IM1", BurnedInAnnotation="YES")
    words = ("predict", "run", image, "--out", tmp_path / "a.png")
    assert "--burned-in-ok" in radmark(*words).err
    assert not (tmp_path / "a.png").exists()
    assert radmark(*words, "--burned-in-ok").code == 0
    # Back to the archive it came from: the patient is known there.
    assert radmark("predict", "run", image, "--out", tmp_path / "sc.dcm", "--format", "sc").code == 0


# -------------------------------------------------------------------------------------------------------------------- privacy


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize(("out", "more"), [("r.csv", ["--measure"]), ("r.json", ["--measure"]), ("p.png", [])])
def test_what_stays_with_the_user_names_nobody(
    out: str,
    more: list[str],
    radmark: Radmark,
    log: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = tmp_path / "tmp"
    left.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    image = named(tmp_path / f"{NAME}^JANE" / "IM1")
    said = radmark("predict", "run", image.parent, "--out", tmp_path / "results" / out, *more)
    assert said.code == 0
    written = list((tmp_path / "results").iterdir())
    assert len(written) == 1 + (out == "r.csv")
    for file in written:
        assert not private(file.name)
        assert not private(file.read_bytes())
    assert not private(said.out + said.err)
    assert not private(log.text)
    assert list(left.iterdir()) == []


def test_what_goes_to_the_archive_holds_patient_and_study_and_nothing_else_of_the_header(
    radmark: Radmark, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    image = named(tmp_path / f"{NAME}^JANE" / "IM1")
    said = radmark("predict", "run", image, "--out", tmp_path / "o", "--format", "dcm-all")
    assert said.code == 0
    for file in (tmp_path / "o").iterdir():
        ds = pydicom.dcmread(file)
        assert (str(ds.PatientName), ds.PatientID) == (f"{NAME}^JANE", f"{NAME}1")  # else the archive could not file it
        holding = {e.keyword for e in ds.iterall() if e.VR != "SQ" and private(str(e.value))}
        assert holding <= {"PatientName", "PatientID", "OtherPatientIDs"}
    assert not private(said.out + said.err)
    assert not private(log.text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b[:900],
        lambda b: b.replace(b"1.2.840.10008.5.1.4.1.1.1.1", b"1.2.840.10008.5.1.4.1.1.2.9"),
        lambda b: b.replace(b"MONOCHROME2", NAME.encode()),
        lambda b: b.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00LO\x02\x00"),
        lambda b: b[:0],
    ],
)
@pytest.mark.parametrize("command", ["predict", "deidentify"])
@pytest.mark.filterwarnings("ignore")
def test_an_error_names_the_file_and_nobody_in_it(
    command: str, spoil: Callable[[bytes], bytes], radmark: Radmark, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    image = named(tmp_path / "IM1.dcm")
    image.write_bytes(spoil(image.read_bytes()))
    words = ("run", image, "--out", tmp_path / "r.csv") if command == "predict" else (image, "--out", tmp_path / "o")
    said = radmark(command, *words)
    assert said.code == 2, said
    assert "IM1.dcm" in said.err
    assert not private(said.out + said.err)
    assert not private(log.text)


def test_the_report_page_names_nobody(tmp_path: Path) -> None:
    """The page shows rows by image name and says with which table and run, without their folders."""
    image = named(tmp_path / f"{NAME}^JANE" / "IM1.dcm")
    loaded = read_film(image).stated(patient="patient-1")
    truth = Perfect()(loaded)
    rows = (Marked(loaded, truth),)
    write_report(
        tmp_path / "report", Study(truth.scheme, rows), [truth], score(point_errors(rows, [truth])), title="t", facts={}
    )
    for file in (tmp_path / "report").rglob("*"):
        assert file.is_dir() or not private(file.read_bytes())
    assert "For research use only" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o700


def test_result_folders_are_for_the_user_alone_even_where_the_umask_is_open(radmark: Radmark, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        image = hip(tmp_path / "IM1")
        assert radmark("predict", "run", image, "--out", tmp_path / "new" / "deep" / "r.csv").code == 0
        assert radmark("deidentify", image, "--out", tmp_path / "copies").code == 0
    finally:
        os.umask(before)
    for folder in ("new", "new/deep", "copies"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_copies_without_the_patient_by_the_command_line(radmark: Radmark, tmp_path: Path) -> None:
    study, out = tmp_path / f"{NAME}^JANE", tmp_path / "copies"
    one, other = named(study / f"{NAME}.dcm"), named(study / "IM2", BurnedInAnnotation="YES")
    assert "--burned-in-ok" in radmark("deidentify", study, "--out", out).err
    said = radmark("deidentify", study, "--out", out, "--skip-bad", "--key", tmp_path / "key", "--overwrite")
    assert said.code == 2  # no such flag: a folder of copies is never replaced
    for file in out.iterdir():
        file.unlink()
    said = radmark("deidentify", study, "--out", out, "--skip-bad", "--key", tmp_path / "key")
    assert said.code == 0
    assert "1 of 2 radiographs" in said.out
    assert "left out" in said.err
    assert "look at them" in said.err
    (copy,) = out.iterdir()
    assert not private(copy.read_bytes())
    assert not private(copy.name)
    assert radmark("deidentify", one, "--out", tmp_path / "more", "--key", tmp_path / "key").code == 0
    assert [f.name for f in (tmp_path / "more").iterdir()] == [copy.name]  # the same key, the same UID
    assert other.exists()


@pytest.mark.parametrize("words", [(), ("predict",), ("deidentify",)])
def test_the_help_says_research_use_only(words: tuple[str, ...], radmark: Radmark) -> None:
    said = radmark(*words, "--help")
    assert said.code == 0
    assert "research use only" in " ".join(said.out.lower().replace("│", " ").split())
