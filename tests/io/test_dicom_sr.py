"""DICOM reports: read back by highdicom, by DCMTK and by dicom3tools, none of which wrote a line of ours."""

import re
from pathlib import Path

import numpy as np
import pytest

from dicom_files import film
from programs import run
from radmark import __version__
from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.core.frame import SPACING_WORDS
from radmark.core.marks import Model
from radmark.io.dicom_sr import CODE_LENGTH, Reported, code_value, write_dicom_sr

pydicom = pytest.importorskip("pydicom")
hd = pytest.importorskip("highdicom")

SCHEME = Scheme.from_names(("teardrop_right", "teardrop_left", "femoral_shaft_proximal_right"))
BLANK = np.zeros((400, 300), np.uint16)
CORNERS = np.array([[0.0, 0.0], [299.0, 399.0], [np.nan, np.nan]])


def prediction(points: np.ndarray = CORNERS, spacing: Spacing | None = None) -> Marks:
    by = {"author": Model("", "run-7"), "confidence": np.array([0.5, 0.9, np.nan])}
    return Marks.present(SCHEME, Frame(300, 400, spacing), points, film="film", **by)


LENGTH = Reported(
    "leg-length discrepancy", 4.25, "mm", "POLYLINE", CORNERS[:2], notes=("inter-teardrop line", "mm: detector plane")
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    out = tmp_path / "report.dcm"
    write_dicom_sr(out, film(tmp_path / "film.dcm", BLANK), prediction(), measurements=[LENGTH])
    return out


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_dicoms_origin(report: Path) -> None:
    groups = hd.sr.srread(report).content.get_planar_roi_measurement_groups()
    spots = {g.finding_type.meaning: g.roi.value.tolist() for g in groups if g.roi.graphic_type.value == "POINT"}
    assert spots == {
        "teardrop right": [[0.5, 0.5]],
        "teardrop left": [[299.5, 399.5]],
    }  # the one not placed is not there


def test_a_measurement_keeps_its_number_unit_side_line_and_notes(report: Path) -> None:
    groups = hd.sr.srread(report).content.get_planar_roi_measurement_groups()
    (group,) = (g for g in groups if g.finding_type.meaning == "leg-length discrepancy")
    (number,) = group.get_measurements()
    assert (number.value, number.unit.value) == (4.25, "mm")
    assert group.roi.value.tolist() == [[0.5, 0.5], [299.5, 399.5]]
    texts = [element.value for element in pydicom.dcmread(report).iterall() if element.keyword == "TextValue"]
    assert {"run-7", "inter-teardrop line", "mm: detector plane"} <= set(texts)


def test_the_report_belongs_to_the_patients_study_and_no_person_has_verified_it(report: Path, tmp_path: Path) -> None:
    image, sr = pydicom.dcmread(tmp_path / "film.dcm"), pydicom.dcmread(report)
    assert (sr.PatientID, sr.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)
    assert sr.SeriesInstanceUID != image.SeriesInstanceUID
    assert (sr.PreliminaryFlag, sr.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert sr.SeriesDescription.startswith("For research use only")
    (referenced,) = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert referenced.ReferencedSOPInstanceUID == image.SOPInstanceUID


def test_a_cups_anteversion_is_the_ellipse_it_rests_on_from_the_pixels_corner(tmp_path: Path) -> None:
    rim = np.array([[100.0, 120], [200, 60], [141, 75], [159, 105]])  # ends of the long axis, then of the short
    cup = Reported("radiographic cup anteversion", 17.5, "deg", "ELLIPSE", rim, "right", ("cup_rim_third_right",))
    out = tmp_path / "r.dcm"
    write_dicom_sr(out, film(tmp_path / "film.dcm", BLANK), prediction(), measurements=[cup])
    groups = hd.sr.srread(out).content.get_planar_roi_measurement_groups()
    (group,) = (g for g in groups if g.roi.graphic_type.value == "ELLIPSE")
    assert group.roi.value.tolist() == [[100.5, 120.5], [200.5, 60.5], [141.5, 75.5], [159.5, 105.5]]
    assert [(n.value, n.unit.value) for n in group.get_measurements()] == [(17.5, "deg")]
    assert [line for line in run("dciodvfy", str(out)).splitlines() if line.startswith("Error")] == []
    assert "ELLIPSE" in run("dsrdump", str(out))


@pytest.mark.parametrize(
    ("unit", "points", "tool"),
    [
        ("mm", 2, "Length"),
        ("px", 2, "Length"),
        ("deg", 4, "CobbAngle"),
        ("mm", 4, "ArrowAnnotate"),  # a difference of two heights: a tool that measures would show another number
        ("deg", 2, "ArrowAnnotate"),
        ("%", 3, "ArrowAnnotate"),
    ],
)
def test_a_viewer_is_told_a_tool_only_where_that_tool_measures_the_same(
    unit: str, points: int, tool: str, tmp_path: Path
) -> None:
    line = np.array([[10.0, 10], [20, 20], [30, 5], [40, 8]])[:points]
    m = Reported("a thing", 1.5, unit, "POLYLINE", line)
    out = tmp_path / "r.dcm"
    write_dicom_sr(out, film(tmp_path / "film.dcm", BLANK), prediction(), measurements=[m])
    groups = hd.sr.srread(out).content.get_planar_roi_measurement_groups()
    assert f"Cornerstone3DTools@^0.1.0:{tool}:a thing" in {g.tracking_identifier for g in groups}


def test_a_length_in_mm_says_in_a_code_where_its_millimetres_come_from_and_an_angle_does_not(tmp_path: Path) -> None:
    spacing = Spacing(0.2, 0.2, SpacingSource.DICOM_DETECTOR)
    angle = Reported("Sharp angle", 40.0, "deg", "POLYLINE", CORNERS[:2])
    out = tmp_path / "r.dcm"
    write_dicom_sr(out, film(tmp_path / "f.dcm", BLANK), prediction(CORNERS, spacing), measurements=[LENGTH, angle])
    groups = {g.finding_type.meaning: g for g in hd.sr.srread(out).content.get_planar_roi_measurement_groups()}
    told = {
        name: [e.value.meaning for e in group.get_qualitative_evaluations() if e.name.meaning == "millimetres from"]
        for name, group in groups.items()
    }
    assert told["leg-length discrepancy"] == ["DICOM, on the detector; smaller in the patient"]
    assert told["Sharp angle"] == []


def test_wherever_millimetres_come_from_there_are_words_for_it_that_fit_a_code() -> None:
    assert set(SPACING_WORDS) == set(SpacingSource)
    assert all(0 < len(words) <= 64 for words in SPACING_WORDS.values())
    assert len(set(SPACING_WORDS.values())) == len(SPACING_WORDS)


def test_the_image_library_lists_the_film_and_the_header_says_software_and_model(report: Path, tmp_path: Path) -> None:
    """OHIF reads the content of the library without looking whether there is one."""
    sr, image = pydicom.dcmread(report), pydicom.dcmread(tmp_path / "film.dcm")
    (library,) = (i for i in sr.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "111028")
    uids = [e.value for e in library.ContentSequence[0].iterall() if e.keyword == "ReferencedSOPInstanceUID"]
    assert uids == [image.SOPInstanceUID]
    assert (sr.ManufacturerModelName, sr.SoftwareVersions, sr.DeviceSerialNumber) == ("radmark", __version__, "run-7")


def test_a_film_without_the_first_132_bytes_gets_its_report_too(tmp_path: Path) -> None:
    whole = film(tmp_path / "film.dcm", BLANK).read_bytes()
    (tmp_path / "film.dcm").write_bytes(whole[132:])
    write_dicom_sr(tmp_path / "r.dcm", tmp_path / "film.dcm", prediction())
    assert pydicom.dcmread(tmp_path / "r.dcm").PatientID == "PLANTED"


def test_dcmtk_reads_the_whole_tree(report: Path) -> None:
    text = run("dsrdump", str(report))
    assert re.search(r'NUM:\(,,"leg-length discrepancy"\)="4.25" \(mm,UCUM', text)
    assert text.count("SCOORD") == 3


def test_names_and_words_in_other_alphabets_arrive_and_no_warning_repeats_the_patients_name(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    image = film(
        tmp_path / "film.dcm", BLANK, SpecificCharacterSet="ISO_IR 100", PatientName="Müller"
    )  # no comma, no caret
    angle = Reported("Tönnis angle", 7.5, "deg", "POLYLINE", CORNERS[:2], "left", ("sourcil_medial",), ("it – rises",))
    write_dicom_sr(tmp_path / "r.dcm", image, prediction(), measurements=[angle])
    sr = pydicom.dcmread(tmp_path / "r.dcm")
    assert str(sr.PatientName) == "Müller"
    text = run("dsrdump", "+U8", str(tmp_path / "r.dcm"))
    assert "Tönnis angle" in text
    assert re.search(r'\(37783008,SCT,"Acetabulum"\)>\s+<has concept mod CODE:\(,,"Laterality"\)=\(7771000', text)
    assert "error" not in text.lower()
    assert not [w for w in recwarn if "ller" in str(w.message)]


def test_dciodvfy_finds_no_error(report: Path) -> None:
    lines = run("dciodvfy", str(report)).splitlines()
    assert "ComprehensiveSR" in lines
    assert [line for line in lines if line.startswith("Error")] == []


def test_a_point_outside_the_image_is_refused_and_no_file_is_left(tmp_path: Path) -> None:
    outside = CORNERS.copy()
    outside[1] = [299.6, 10]
    with pytest.raises(InputError, match="teardrop_left lies outside"):
        write_dicom_sr(tmp_path / "r.dcm", film(tmp_path / "film.dcm", BLANK), prediction(outside))
    assert not (tmp_path / "r.dcm").exists()


def test_a_report_for_another_picture_is_refused_without_naming_the_patient(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="301 x 400") as caught:
        write_dicom_sr(
            tmp_path / "r.dcm",
            film(tmp_path / "film.dcm", np.zeros((400, 301), np.uint16)),
            prediction(),
        )
    assert "PLANTED" not in str(caught.value).upper()


def test_a_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="this is not one"):
        write_dicom_sr(tmp_path / "r.dcm", tmp_path / "film.png", prediction())


@pytest.mark.parametrize(
    "name",
    ["sella", "Tönnis angle of the hip", "femoral_shaft_proximal_right", "femoral_shaft_proximal_left", "a" * 40],
)
def test_codes_fit_old_viewers_and_tell_long_names_apart(name: str) -> None:
    assert len(code_value(name).encode()) <= CODE_LENGTH
    assert code_value(name) != code_value(name[:-1] + "x")
