"""Presentation states and secondary captures: checked by DCMTK and dicom3tools, read back by highdicom and pydicom."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_files import film
from programs import run
from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.core.marks import Model
from radmark.io import read_film
from radmark.io.dicom_pr import inside, write_dicom_pr
from radmark.io.dicom_result import Reported
from radmark.io.dicom_sc import write_dicom_sc

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

SCHEME = Scheme.from_names(("teardrop_right", "teardrop_left", "femoral_shaft_proximal_right"))
FRAME = Frame(300, 400, Spacing(0.2, 0.2, SpacingSource.DICOM_DETECTOR))
POINTS = np.array([[0.0, 0.0], [299.0, 399.0], [np.nan, np.nan]])
RIM = np.array([[100.0, 100], [200, 100], [150, 80], [150, 120]])
MEASURED = (
    Reported("femoral offset", 41.26, "mm", "POLYLINE", POINTS[:2], "left", lines=(np.array([[10.0, 20], [10, 500]]),)),
    Reported("Tönnis angle", 7.5, "deg", "POLYLINE", RIM),
    Reported("radiographic cup anteversion", 23.58, "deg", "ELLIPSE", RIM, "right", lines=(RIM[:2],)),
)
BLANK = np.zeros((400, 300), np.uint16)


def prediction() -> Marks:
    sure = np.array([0.5, 0.9, np.nan])
    return Marks.present(SCHEME, FRAME, POINTS, film="film", author=Model("", "run-7"), confidence=sure)


def state(tmp_path: Path, pixels: np.ndarray = BLANK, **tags: Any) -> Path:
    out = tmp_path / "state.dcm"
    source = film(tmp_path / "film.dcm", pixels, **tags)
    write_dicom_pr(out, source, prediction(), measurements=MEASURED)
    return out


def graphics(path: Path, layer: str) -> list[tuple[str, list[list[float]]]]:
    (annotation,) = (a for a in pydicom.dcmread(path).GraphicAnnotationSequence if a.GraphicLayer == layer)
    return [(g.GraphicType, np.reshape(g.GraphicData, (-1, 2)).tolist()) for g in annotation.GraphicObjectSequence]


def test_a_landmark_on_the_first_pixel_is_half_a_pixel_from_the_states_origin(tmp_path: Path) -> None:
    out = state(tmp_path)
    assert graphics(out, "LANDMARKS") == [("POINT", [[0.5, 0.5]]), ("POINT", [[299.5, 399.5]])]
    for annotation in pydicom.dcmread(out).GraphicAnnotationSequence:
        assert {g.GraphicAnnotationUnits for g in annotation.get("GraphicObjectSequence", [])} <= {"PIXEL"}


def test_lines_are_cut_at_the_films_edge_and_an_ellipse_keeps_its_axes(tmp_path: Path) -> None:
    drawn = graphics(state(tmp_path), "MEASUREMENTS")
    assert ("POLYLINE", [[10.5, 20.5], [10.5, 400.0]]) in drawn  # cut at y = 399.5, the lower edge of the last row
    assert ("ELLIPSE", (RIM + 0.5).tolist()) in drawn


def test_a_state_says_numbers_names_model_use_and_where_its_millimetres_come_from(tmp_path: Path) -> None:
    texts = [
        t.UnformattedTextValue
        for a in pydicom.dcmread(state(tmp_path)).GraphicAnnotationSequence
        for t in a.get("TextObjectSequence", [])
    ]
    assert {"femoral offset, left: 41.3 mm", "Tönnis angle: 7.5°", "teardrop right"} <= set(texts)
    assert any("research use only" in t and "run-7" in t and "on the detector" in t for t in texts)


def test_dcmtk_finds_a_valid_state_and_reads_the_same_graphics_in_it(tmp_path: Path) -> None:
    out = state(tmp_path, ImageLaterality="L")
    checked = run("dcmpschk", "-v", str(out))
    assert "Test passed" in checked
    assert "Pass 3 - Semantic Check of Presentation State" in checked
    assert not re.search(r"^E:|skipping", checked, re.MULTILINE)
    dump = run("dcmdump", "+P", "GraphicData", str(out))
    assert r"0.5\0.5" in dump
    assert r"299.5\399.5" in dump


@pytest.mark.parametrize("side", ["L", None])
def test_dciodvfy_finds_no_error_in_a_state_nor_in_a_capture_of_a_one_sided_film(
    side: str | None, tmp_path: Path
) -> None:
    tags: dict[str, Any] = {} if side is None else {"ImageLaterality": side}
    out = state(tmp_path, **tags)
    capture = tmp_path / "capture.dcm"
    picture = np.zeros((410, 500, 3), np.uint8)
    write_dicom_sc(capture, tmp_path / "film.dcm", FRAME, picture, author="run-7")
    for file, kind in ((out, "GrayscaleSoftcopyPresentationState"), (capture, "SCImage")):
        lines = run("dciodvfy", str(file)).splitlines()
        assert kind in lines
        errors = [line for line in lines if line.startswith("Error")]
        # The side is wanted of a paired part only, which the checker cannot know, and a pelvis is none.
        assert errors == ([] if side else [e for e in errors if "Laterality" in e])


@pytest.mark.parametrize("inverted", [False, True])
def test_bone_is_as_bright_under_the_state_as_without_it(inverted: bool, tmp_path: Path) -> None:
    """DCMTK shows the film through the state; the lit pixel is bright and the rest dark whichever way the file puts it."""
    pixels = np.full((400, 300), 4095 if inverted else 0, np.uint16)
    pixels[120, 50] = 0 if inverted else 4095
    tags = {"PhotometricInterpretation": "MONOCHROME1"} if inverted else {}
    out = state(tmp_path, pixels, **tags)
    run("dcmp2pgm", "-p", str(out), str(tmp_path / "film.dcm"), str(tmp_path / "shown.pgm"))
    from PIL import Image

    shown = np.asarray(Image.open(tmp_path / "shown.pgm"))
    assert np.argwhere(shown == 255).tolist() == [[120, 50]]
    assert np.median(shown) <= 1  # DCMTK rounds an inverted zero up
    assert read_film(tmp_path / "film.dcm").pixels.argmax() == shown.argmax()


def test_a_state_for_a_picture_in_colour_is_refused(tmp_path: Path) -> None:
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    with pytest.raises(InputError, match="colour") as caught:
        state(tmp_path, BLANK.astype(np.uint8), bits=8, PixelData=bytes(3 * BLANK.size), **colour)
    assert "planted" not in str(caught.value).lower()


def test_a_capture_holds_the_picture_unchanged_in_the_patients_study_and_says_what_it_is(tmp_path: Path) -> None:
    source = film(tmp_path / "film.dcm", BLANK, PatientName="Müller", SpecificCharacterSet="ISO_IR 100")
    picture = np.random.default_rng(0).integers(0, 256, (410, 501, 3)).astype(np.uint8)
    write_dicom_sc(tmp_path / "c.dcm", source, FRAME, picture, author="run-7")
    found, image = pydicom.dcmread(tmp_path / "c.dcm"), pydicom.dcmread(source)
    assert np.array_equal(found.pixel_array, picture)
    assert (str(found.PatientName), found.StudyInstanceUID) == ("Müller", image.StudyInstanceUID)
    assert found.SeriesInstanceUID != image.SeriesInstanceUID
    assert found.BurnedInAnnotation == "YES"
    assert "PixelSpacing" not in found  # nobody shall measure on it
    assert "research use only" in found.SeriesDescription.lower()
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert (found.SoftwareVersions, found.DeviceSerialNumber) == (
        pydicom.dcmread(state(tmp_path)).SoftwareVersions,
        "run-7",
    )


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint16)]
)
def test_what_is_no_rgb_picture_is_refused(picture: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an RGB picture"):
        write_dicom_sc(tmp_path / "c.dcm", film(tmp_path / "film.dcm", BLANK), FRAME, picture, author="run-7")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ([[10, 10], [20, 30]], [[10, 10], [20, 30]]),
        ([[-10, 10], [20, 10]], [[-0.5, 10], [20, 10]]),
        ([[10, -30], [10, 900]], [[10, -0.5], [10, 399.5]]),
        ([[-10, -10], [310, 310]], [[-0.5, -0.5], [299.5, 299.5]]),
        ([[-10, 10], [-20, 30]], None),
        ([[-10, 0], [0, -10]], None),  # past the corner
        ([[5, 5], [5, 5]], [[5, 5], [5, 5]]),
    ],
)
def test_the_part_of_a_line_on_the_film_is_cut_out(line: list[list[float]], part: list[list[float]] | None) -> None:
    found = inside(np.array(line, float), FRAME)
    assert (None if found is None else found.round(9).tolist()) == part
