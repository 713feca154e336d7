"""Every format is read from a file written here by hand, with points worked out by hand.

The film is hip1.png, 200 wide and 100 high. Its right teardrop lies on the centre of pixel column 60, row 90 (counted from 0):
radmark's (60, 90). That is (60.5, 90.5) where the corner is the origin, 30.25 and 90.5 percent, 10 up from the lower edge by
index, and 6.0 and 18.0 mm at 0.1 mm by 0.2 mm a pixel.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource, State
from radmark.core.facts import Fact, FactSource, fact
from radmark.core.film import Film
from radmark.core.marks import ABSENT, NOT_ANNOTATED, Author, Consensus, Mark, Model, Origin, Reader, present
from radmark.core.study import Marked, Study
from radmark.io import (
    FORMATS,
    Context,
    Format,
    Holds,
    formats,
    read_annotations,
    read_by,
    read_scheme,
    with_films,
    write_annotations,
)
from radmark.io.annotations import sniff
from radmark.io.exchange import QUANTITIES, film_row, gathered, stated
from radmark.io.format import losses
from radmark.io.formats.table import KNOWN

NAMES = ("teardrop_R", "teardrop_L")
SCHEME = Scheme.from_names(NAMES, "pelvis")
HIDDEN = Mark(State.OCCLUDED, 140, 91)

COCO = {
    "images": [{"id": 7, "file_name": "hip1.png", "width": 200, "height": 100}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 200, 100], "area": 20000, "iscrowd": 0,
         "num_keypoints": 2, "keypoints": [60, 90, 2, 140, 91, 1, 0, 0, 0]},
        {"id": 2, "image_id": 7, "category_id": 4, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    ],
    "categories": [{"id": 3, "name": "pelvis", "keypoints": [*NAMES, "apex"], "skeleton": [[1, 2]]},
                   {"id": 4, "name": "screw"}],
}  # fmt: skip
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>x</name></task></meta>
<image id="0" name="hip1.png" width="200" height="100">
 <points label="teardrop_R" source="manual" occluded="0" points="60.50,90.50" z_order="0"/>
 <skeleton label="pelvis" source="manual" z_order="0">
  <points label="teardrop_L" source="manual" occluded="1" outside="0" points="140.50,91.50"/>
  <points label="apex" source="manual" outside="1" occluded="0" points="0.00,0.00"/>
 </skeleton>
 <box label="screw" xtl="1" ytl="1" xbr="2" ybr="2"/>
</image></annotations>
"""
REGION = {"id": "a1", "from_name": "kp", "to_name": "image", "type": "keypointlabels", "original_width": 200,
          "original_height": 100, "image_rotation": 0,
          "value": {"x": 30.25, "y": 90.5, "width": 0.3, "keypointlabels": ["teardrop_R"]}}  # fmt: skip
LABEL_STUDIO = [
    {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-hip1.png"},
     "annotations": [
         {"completed_by": {"id": 3, "email": "anna@example.org"}, "result": [REGION]},
         {"completed_by": 4, "result": [REGION | {"value": REGION["value"] | {"x": 0.25, "y": 0.5}}]},
         {"completed_by": 5, "was_cancelled": True, "result": []}]},
]  # fmt: skip
LABELME = {
    "version": "5.1.1", "flags": {}, "imagePath": "..\\pictures\\hip1.png", "imageData": None, "imageHeight": 100,
    "imageWidth": 200,
    "shapes": [
        {"label": "teardrop_R", "points": [[60.5, 90.5]], "group_id": None, "shape_type": "point", "flags": {}},
        {"label": "teardrop_L", "points": [[140.5, 91.5]], "shape_type": "point", "flags": {"occluded": True}},
        {"label": "cup", "points": [[1, 1], [2, 2], [3, 1]], "shape_type": "polygon", "flags": {}}],
}  # fmt: skip
SLICER = {
    "@schema": "https://example.org/markups-schema-v1.0.3.json#",
    "markups": [
        {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [
            {"id": "1", "label": "teardrop_R", "position": [6.0, 18.0, 0.0], "positionStatus": "defined"},
            {"id": "2", "label": "teardrop_L", "position": [0, 0, 0], "positionStatus": "missing"},
            {"id": "3", "label": "apex", "position": [0, 0, 0], "positionStatus": "undefined"}]},
        {"type": "Line", "coordinateSystem": "LPS", "controlPoints": []}],
}  # fmt: skip
TPS = """LM=2
60.00000 10.00000
NA NA
CURVES=1
POINTS=2
1 1
2 2
IMAGE=C:\\films\\hip1.png
ID=0
SCALE=0.143000

LM=2
-1 -1
60 10
IMAGE=hip2.png
ID=1
"""
OWN = {
    "schema_version": 1, "pixel_origin": "centre of the top-left pixel",
    "scheme": {"name": "pelvis", "landmarks": [*NAMES, "apex", "sacrum"]},
    "images": [{
        "image_name": "hip1.png", "image_width": 200, "image_height": 100, "reader": "anna", "patient_id": "P1",
        "spacing": {"x_mm": 0.1, "y_mm": 0.2, "source": "table"},
        "landmarks": {"teardrop_R": {"x": 60, "y": 90, "state": "present"},
                      "teardrop_L": {"x": 140, "y": 91, "state": "occluded"},
                      "apex": {"x": None, "y": None, "state": "absent"},
                      "sacrum": {"x": None, "y": None, "state": "not_annotated"}}}],
}  # fmt: skip
LONG = """image;landmark;x;y;state;reader;patient_id;sex
hip1.png;teardrop_R;60;90;;anna;P1;f
hip1.png;teardrop_L;;;absent;anna;P1;f
hip1.png;teardrop_R;61,5;90;;ben;P1;f
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("hip1.png", "hip2.png"):
        Image.new("L", (200, 100)).save(folder / name)
    return folder


def put(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def points(row: Marked) -> dict[str, tuple[str, tuple[float, float]]]:
    marks = {name: row.marks.mark(name) for name in row.marks.scheme.names}
    return {name: (m.state.label, m.point) for name, m in marks.items() if m.placed}


RIGHT = ("present", (60.0, 90.0))
LEFT = ("occluded", (140.0, 91.0))


def test_coco_counts_pixels_by_their_centre_and_says_hidden_by_one(tmp_path):
    found = read_annotations(put(tmp_path, "a.json", COCO))
    (row,) = found.rows
    assert points(row) == {"teardrop_R": RIGHT, "teardrop_L": LEFT}
    assert row.marks.mark("apex") == NOT_ANNOTATED
    assert row.film.size == (200, 100)
    assert row.marks.frame == Frame(200, 100)
    assert found.scheme.names == (*NAMES, "apex")
    assert [(loss.what, loss.count) for loss in found.lost] == [("object without key points", 1)]


def test_cvat_counts_from_the_corner_and_says_absent_by_outside(tmp_path):
    found = read_annotations(put(tmp_path, "a.xml", CVAT))
    (row,) = found.rows
    assert points(row) == {"teardrop_R": RIGHT, "teardrop_L": LEFT}
    assert row.marks.mark("apex") == ABSENT
    assert [(loss.what, loss.count) for loss in found.lost] == [("box", 1)]


def test_label_studio_counts_in_percent_from_the_corner_and_keeps_its_readers(tmp_path):
    found = read_annotations(put(tmp_path, "a.json", LABEL_STUDIO))
    anna, four = found.rows
    assert points(anna) == {"teardrop_R": RIGHT}
    assert points(four) == {"teardrop_R": ("present", (0.0, 0.0))}
    assert (anna.film.name, anna.marks.reader, four.marks.reader) == ("hip1.png", "anna@example.org", "4")
    assert [(loss.what, loss.count) for loss in found.lost] == [("skipped annotation", 1)]


def test_what_label_studio_documents_as_its_own_conversion_gives_back_the_corner_pixels(tmp_path):
    # labelstud.io, "Units of image annotations": pixel_x = x / 100 * original_width, from the left edge.
    write_annotations(tmp_path / "o.json", Study(SCHEME, (marked(present(60, 90), NOT_ANNOTATED),)), "label-studio")
    (region,) = json.loads((tmp_path / "o.json").read_text())[0]["annotations"][0]["result"]
    assert region["value"]["x"] / 100 * region["original_width"] == pytest.approx(60.5)
    assert region["value"]["y"] / 100 * region["original_height"] == pytest.approx(90.5)


def test_labelme_counts_from_the_corner(tmp_path):
    found = read_annotations(put(tmp_path, "hip1.json", LABELME))
    (row,) = found.rows
    assert (row.film.name, points(row)) == ("hip1.png", {"teardrop_R": RIGHT, "teardrop_L": LEFT})
    assert [(loss.what, loss.count) for loss in found.lost] == [("polygon", 1)]


def test_a_folder_of_labelme_files_is_one_set(tmp_path):
    put(tmp_path, "set/one/hip1.json", LABELME | {"imagePath": "hip1.png"})
    put(tmp_path, "set/two/hip1.json", LABELME | {"imagePath": "hip1.png"})
    assert read_annotations(tmp_path / "set").names == ("one/hip1.png", "two/hip1.png")


@pytest.mark.parametrize(("system", "sign"), [("LPS", 1), ("RAS", -1)])
def test_slicer_is_in_millimetres_from_the_centre_of_the_first_pixel(tmp_path, system, sign):
    content = json.loads(json.dumps(SLICER))
    content["markups"][0]["coordinateSystem"] = system
    content["markups"][0]["controlPoints"][0]["position"] = [6.0 * sign, 18.0 * sign, 0]
    found = read_annotations(
        put(tmp_path, "hip1.png.mrk.json", content), context=Context(spacing=Spacing(0.1, 0.2, SpacingSource.FLAG))
    )
    ((film, marks),) = found.rows
    assert film.name == "hip1.png"
    assert marks.mark("teardrop_R").point == pytest.approx((60, 90))
    assert (marks.mark("teardrop_L"), marks.mark("apex")) == (ABSENT, NOT_ANNOTATED)
    assert [(loss.what, loss.count) for loss in found.lost] == [("markup Line", 1)]


def test_slicers_millimetres_are_not_guessed(tmp_path):
    with pytest.raises(InputError, match="nothing states how many a pixel covers"):
        read_annotations(put(tmp_path, "hip1.png.mrk.json", SLICER))


def test_slicer_is_written_in_the_millimetres_of_the_film_and_read_back_without_being_told(tmp_path):
    one = marked(present(60, 90), ABSENT, spacing=Spacing(0.1, 0.2, SpacingSource.TABLE))
    write_annotations(tmp_path / "o", Study(SCHEME, (one,)), "slicer")
    right, left = json.loads((tmp_path / "o" / "hip1.png.mrk.json").read_text())["markups"][0]["controlPoints"]
    assert right["position"] == pytest.approx([6, 18, 0])
    assert (right["positionStatus"], left["positionStatus"]) == ("defined", "missing")
    ((back, marks),) = read_annotations(tmp_path / "o").rows
    assert marks.mark("teardrop_R").point == pytest.approx((60, 90))
    assert back.spacing == Spacing(0.1, 0.2, SpacingSource.TABLE)


def test_tps_counts_upwards_and_says_missing_in_two_ways(tmp_path, images):
    scheme = Scheme.from_names(NAMES, "pelvis")
    found = read_annotations(put(tmp_path, "a.tps", TPS), context=Context(scheme=scheme, films=images))
    one, two = found.rows
    assert points(one) == {"teardrop_R": RIGHT}
    assert points(two) == {"teardrop_L": RIGHT}
    assert one.film.attributes == {"tps_scale": "0.143000"}
    assert [(loss.what, loss.count) for loss in found.lost] == [("curve or outline", 1)]
    with pytest.raises(InputError, match="TPS counts y from the lower edge"):
        read_annotations(tmp_path / "a.tps")


def test_tps_of_another_program_is_read(tmp_path, images):
    # Written by py_tps 0.1.7: TPSFile([TPSImage("hip1.png", landmarks=TPSPoints([[60, 10], [140.25, 9]]), id_number=0,
    # comment="test", scale=0.0045)]).write_to_file(…)
    text = "LM=2\n60.0 10.0\n140.25 9.0\nIMAGE=hip1.png\nID=0\nCOMMENT=test\nSCALE=0.0045\n"
    ((_, marks),) = read_annotations(put(tmp_path, "a.tps", text), context=Context(films=images)).rows
    assert marks.points.tolist() == [[60, 90], [140.25, 91]]
    assert marks.scheme.names == ("landmark_1", "landmark_2")


def test_isbi_files_are_whole_pixels_in_the_order_of_the_challenge(tmp_path):
    lines = [f"{10 * k},{k}" for k in range(1, 20)] + ["1", "3", "2"]
    for name in ("001", "002"):
        put(tmp_path, f"400_senior/{name}.txt", "\n".join(lines) + "\n")
    found = read_annotations(tmp_path / "400_senior")
    assert found.scheme.name == "ceph-19"
    assert found.names == ("001", "002")
    film, marks = found.rows[0]
    assert (marks.mark("sella").point, marks.mark("articulare").point) == ((10, 1), (190, 19))
    assert film.attributes == {"class_1": "1", "class_2": "3", "class_3": "2"}


def test_the_older_text_says_not_visible_by_two_zeros(tmp_path):
    path = put(tmp_path, "a.txt", "hip1.png,2,60,90,0,0\nsub/hip2.png,2,3,4,70,80\n")
    one, two = read_annotations(path, context=Context(scheme=SCHEME)).rows
    assert (points(one), one.marks.mark("teardrop_L")) == ({"teardrop_R": RIGHT}, ABSENT)
    assert (two.film.name, two.marks.mark("teardrop_R").point) == ("sub/hip2.png", (3, 4))
    _, two = read_annotations(path, context=Context(absent_corner_px=5)).rows
    assert two.marks.mark("landmark_1") == ABSENT


def test_the_long_table_holds_several_readers(tmp_path):
    anna, ben = read_annotations(put(tmp_path, "a.csv", LONG)).rows
    assert (anna.marks.reader, anna.film.patient, anna.film.attributes) == ("anna", "P1", {"sex": "f"})
    assert (points(anna), anna.marks.mark("teardrop_L")) == ({"teardrop_R": RIGHT}, ABSENT)
    assert (ben.marks.mark("teardrop_R").point, ben.marks.mark("teardrop_L")) == ((61.5, 90), NOT_ANNOTATED)


def test_the_own_json_tells_absent_from_not_annotated(tmp_path):
    (row,) = read_annotations(put(tmp_path, "a.json", OWN)).rows
    film, marks = row
    assert points(row) == {"teardrop_R": RIGHT, "teardrop_L": LEFT}
    assert (marks.mark("apex"), marks.mark("sacrum")) == (ABSENT, NOT_ANNOTATED)
    assert (marks.reader, film.patient, film.spacing) == ("anna", "P1", Spacing(0.1, 0.2, SpacingSource.TABLE))


def test_the_table_is_read_without_its_images_and_with_all_its_readers(tmp_path):
    head = "image_name,image_width,image_height,n_landmarks,p_x,p_y,reader"
    path = put(tmp_path, "a.csv", f"{head}\nhip1.png,200,100,1,60,90,anna\nhip1.png,200,100,1,61,90,ben\n")
    assert [(marks.reader, marks.mark("p").point) for _, marks in read_annotations(path).rows] == [
        ("anna", (60, 90)),
        ("ben", (61, 90)),
    ]


# ------------------------------------------------------------------------------------------------------------ writing


def marked(
    *marks: Mark,
    name: str = "hip1.png",
    scheme: Scheme = SCHEME,
    author: Author | None = None,
    patient: str | None = None,
    facts: tuple[Fact, ...] = (),
    **said: Any,
) -> Marked:
    own = (*facts, *(() if patient is None else (Fact("patient", patient, FactSource.TABLE),)))
    film = Film(name, (200, 100), facts=own, **said)
    placed = dict(zip(scheme.names, marks, strict=True))
    return Marked(film, Marks.of(scheme, film.grid, placed, film=name, author=author))


def test_a_lit_corner_pixel_is_written_as_each_format_counts(tmp_path):
    """The centre of the top-left pixel: half a pixel from the corner, and the top row of an image 100 high is 100 up."""
    one = Study(
        Scheme.from_names(["p"], "s"), (marked(present(0, 0), name="a.png", scheme=Scheme.from_names(["p"], "s")),)
    )
    for name in ("coco", "cvat", "labelme", "slicer", "tps", "csv"):
        write_annotations(tmp_path / name, one, name)
    assert json.loads((tmp_path / "coco").read_text())["annotations"][0]["keypoints"] == [0, 0, 2]
    assert 'points="0.5000,0.5000"' in (tmp_path / "cvat").read_text()
    assert json.loads((tmp_path / "labelme" / "a.json").read_text())["shapes"][0]["points"] == [[0.5, 0.5]]
    slicer = json.loads((tmp_path / "slicer" / "a.png.mrk.json").read_text())
    assert slicer["markups"][0]["controlPoints"][0]["position"] == [0, 0, 0]
    assert (tmp_path / "tps").read_text().splitlines()[1] == "0.00000 100.00000"
    assert (tmp_path / "csv").read_text().splitlines()[1] == "a.png,200,100,1,0.0000,0.0000"


def test_whole_pixels_are_rounded_halves_up_and_said_so(tmp_path):
    one = Study(SCHEME, (marked(present(60.5, 90.49), present(12, 13)),))
    for name in ("txt", "isbi"):
        lost = write_annotations(tmp_path / name, one, name)
        assert ("sub-pixel position", 1) in [(loss.what, loss.count) for loss in lost]
    assert (tmp_path / "txt").read_text() == "hip1.png,2,61,90,12,13\n"
    assert (tmp_path / "isbi" / "hip1.txt").read_text() == "61,90\n12,13\n"


def test_coco_says_what_its_own_tools_ask_for(tmp_path):
    write_annotations(tmp_path / "o.json", Study(SCHEME, (marked(present(60, 90), HIDDEN),)), "coco")
    content = json.loads((tmp_path / "o.json").read_text())
    (annotation,) = content["annotations"]
    assert annotation["keypoints"] == [60, 90, 2, 140, 91, 1]
    assert (annotation["num_keypoints"], annotation["bbox"], annotation["area"]) == (2, [0, 0, 200, 100], 20000)
    assert content["categories"][0]["keypoints"] == list(NAMES)


def test_losses_are_counted_and_only_where_there_is_something_to_lose():
    plain = Study(SCHEME, (marked(present(1, 2), present(3, 4)),))
    assert [loss.what for loss in losses(plain, FORMATS["coco"].holds)] == []
    rich = Study(
        SCHEME,
        (marked(ABSENT, HIDDEN, author=Reader("anna"), patient="P1", spacing=Spacing(1, 2, SpacingSource.FLAG),
                attributes={"a": "b"}),
         marked(NOT_ANNOTATED, ABSENT, name="hip2.png")),
    )  # fmt: skip
    told = {loss.what: loss.count for loss in losses(rich, FORMATS["coco"].holds)}
    assert told == {"absent": 2, "pixel spacing": 1, "reader": 1, "patient": 1, "further column": 1}
    told = {loss.what: loss.count for loss in losses(rich, FORMATS["labelme"].holds)}
    assert "occluded" not in told
    assert {loss.what for loss in losses(rich, FORMATS["tps"].holds)} >= {"occluded", "landmark name", "film size"}
    for name in ("json", "long", "csv"):
        assert losses(rich, FORMATS[name].holds) == ()


def test_two_readers_do_not_go_into_a_format_of_one(tmp_path):
    two = Study(
        SCHEME, (marked(present(1, 2), ABSENT, author=Reader("a")), marked(present(1, 3), ABSENT, author=Reader("b")))
    )
    with pytest.raises(InputError, match="--reader"):
        write_annotations(tmp_path / "o.json", two, "coco")
    assert not (tmp_path / "o.json").exists()
    write_annotations(tmp_path / "o.json", two, "label-studio")
    write_annotations(tmp_path / "p.json", two.of_reader("b"), "coco")


def test_nothing_is_replaced_in_silence(tmp_path):
    one = Study(SCHEME, (marked(present(1, 2), present(3, 4)),))
    write_annotations(tmp_path / "o.json", one)
    write_annotations(tmp_path / "folder", one, "labelme")
    with pytest.raises(InputError, match="exists already"):
        write_annotations(tmp_path / "o.json", one)
    with pytest.raises(InputError, match="not empty"):
        write_annotations(tmp_path / "folder", one, "labelme")
    put(tmp_path, "folder/letter.docx", "dear")
    with pytest.raises(InputError, match=r"letter\.docx"):
        write_annotations(tmp_path / "folder", one, "labelme", overwrite=True)
    write_annotations(tmp_path / "o.json", one, overwrite=True)


def test_every_film_comes_with_its_file(images):
    rows = Study(SCHEME, (marked(present(60, 90), ABSENT, author=Reader("anna"), patient="P1", part="test"),))
    ((film, marks),) = with_films(rows, images).rows
    assert (marks.reader, film.owner, film.part, film.path) == ("anna", "P1", "test", images / "hip1.png")
    assert film.pixels.shape == (100, 200)
    assert marks.states.tolist() == [State.PRESENT, State.ABSENT]
    wrong = Study(SCHEME, (Marked(replace(rows.rows[0].film, size=(100, 200)), rows.rows[0].marks),))
    with pytest.raises(InputError, match="200 wide and 100 high"):
        with_films(wrong, images)


# ------------------------------------------------------------------------------------------- who made them, and from where


HEAD = "image_name,image_width,image_height,n_landmarks,p_x,p_y"
ROW = "hip1.png,200,100,1,60,90"


def authors(path: Path) -> tuple[Author | None, ...]:
    return read_annotations(path).authors


def test_a_second_reading_as_earlier_versions_wrote_it_is_the_same_readers(tmp_path):
    both = f"{HEAD},reader\n{ROW},R1\n{ROW},R1 (reading 2)\n"
    assert authors(put(tmp_path, "a.csv", both)) == (Reader("R1"), Reader("R1", "2"))
    study = read_annotations(tmp_path / "a.csv")
    assert study.readers == ("R1",)
    assert study.of_reader("R1, reading 2").authors == (Reader("R1", "2"),)
    stated = f"{HEAD},reader,session\n{ROW},R1 (reading 2),1\n"
    assert authors(put(tmp_path, "b.csv", stated)) == (
        Reader("R1 (reading 2)", "1"),
    )  # the file says which reading itself


def test_a_model_is_no_reader(tmp_path):
    sha = "c0ffee" * 10 + "1234"
    named = f"{HEAD},model_sha256,model_name\n{ROW},{sha},hips\n"
    (model,) = authors(put(tmp_path, "a.csv", named))
    assert isinstance(model, Model)
    assert (model, model.name) == (Model(sha), "hips")
    assert read_annotations(tmp_path / "a.csv").readers == (None,)
    older = f"{HEAD},p_confidence\n{ROW},0.9\n"
    assert authors(put(tmp_path, "b.csv", older)) == (Model(""),)
    signed = f"{HEAD},reader,p_confidence\n{ROW},anna,0.9\n"
    assert authors(put(tmp_path, "c.csv", signed)) == (Reader("anna"),)
    corrected = f"{HEAD},reader,model_sha256\n{ROW},anna,{sha}\n"  # somebody put a name to a model's table
    assert authors(put(tmp_path, "d.csv", corrected)) == (Reader("anna"),)


@pytest.mark.parametrize("name", ["csv", "long", "json"])
def test_where_millimetres_and_marks_come_from_survives(tmp_path, name):
    for source in SpacingSource:
        one = marked(
            Mark(State.PRESENT, 60, 90, origin=Origin.ACCEPTED), NOT_ANNOTATED, spacing=Spacing(0.1, 0.2, source)
        )
        write_annotations(tmp_path / f"{source}", Study(SCHEME, (one,)), name)
        ((film, marks),) = read_annotations(tmp_path / f"{source}", name).rows
        assert film.spacing == Spacing(0.1, 0.2, source)
        assert marks.frame.spacing == film.spacing
        assert marks.origins == (Origin.ACCEPTED, None)


def test_what_a_films_header_says_does_not_get_into_a_file(tmp_path):
    own = (fact("patient", "Kowalski", FactSource.HEADER), fact("side", "left", FactSource.USER),
           fact("display", "mirrored", FactSource.HEADER))  # fmt: skip
    study = Study(SCHEME, (marked(present(60, 90), ABSENT, facts=own),))
    for name in ("csv", "long", "json"):
        write_annotations(tmp_path / name, study, name)
        assert "Kowalski" not in (tmp_path / name).read_text()
        ((film, _),) = read_annotations(tmp_path / name, name).rows
        assert (film.side, film.patient, film.text("display")) == ("left", None, None)


def test_the_own_json_keeps_who_stated_a_fact(tmp_path):
    study = Study(SCHEME, (marked(present(1, 2), ABSENT, facts=(fact("side", "left", FactSource.USER),)),))
    write_annotations(tmp_path / "o.json", study)
    ((film, _),) = read_annotations(tmp_path / "o.json").rows
    assert film.facts == (Fact("side", "left", FactSource.USER),)


def test_what_earlier_versions_took_for_an_attribute_is_a_fact_where_it_is_one(tmp_path):
    older = changed(OWN, ["images", 0, "attributes"], {"side": "L", "date": "in May", "sex": "f"})
    ((film, _),) = read_annotations(put(tmp_path, "a.json", older)).rows
    assert film.facts[1:] == (Fact("side", "left", FactSource.TABLE),)
    assert film.attributes == {"date": "in May", "sex": "f"}


PAGE = {  # as `radmark annotate --export out.json` of version 0.1.0 wrote it
    "schema_version": 1, "made_by": "radmark 0.1.0", "notice": "For research use only.",
    "pixel_origin": "centre of the top-left pixel",
    "scheme": {"name": "pelvis", "title": "", "source": "", "pairs": [["teardrop_R", "teardrop_L"]], "edges": [],
               "landmarks": [{"name": n, "definition": ""} for n in (*NAMES, "apex")]},
    "readings": [
        {"image_name": "hip1.png", "image_width": 200, "image_height": 100, "pixels_sha256": "0" * 64,
         "spacing": {"x_mm": 0.1, "y_mm": 0.1, "source": "known-distance"}, "patient_id": "P1", "reader": "anna",
         "reading": 1, "done": True, "comment": "blurred", "calibration": {"kind": "ball"},
         "seconds": {"with_proposal": 0.0, "without": 3.5},
         "landmarks": {"teardrop_R": {"x": 60, "y": 90, "state": "present", "how": "keyed", "version": 3, "at": "2026-01-01"},
                       "apex": {"x": None, "y": None, "state": "absent", "how": "state", "version": 1, "at": "2026-01-01"}}},
        {"image_name": "hip1.png", "image_width": 200, "image_height": 100, "pixels_sha256": "0" * 64, "spacing": None,
         "patient_id": None, "reader": "anna", "reading": 2, "done": False, "comment": "", "calibration": None,
         "seconds": {"with_proposal": 0.0, "without": 0.0}, "landmarks": {}}],
}  # fmt: skip


def test_the_annotation_pages_json_of_earlier_versions_is_read(tmp_path):
    study = read_annotations(put(tmp_path, "page.json", PAGE))
    (film, first), (_, second) = study.rows
    assert (first.author, second.author) == (Reader("anna"), Reader("anna", "2"))
    assert first.mark("teardrop_R") == Mark(State.PRESENT, 60, 90, origin=Origin.MOVED)
    assert (first.mark("teardrop_L"), first.mark("apex")) == (NOT_ANNOTATED, ABSENT)
    assert not second.said
    assert (film.patient, film.spacing) == ("P1", Spacing(0.1, 0.1, SpacingSource.KNOWN_DISTANCE))
    assert film.attributes == {"done": "yes", "comment": "blurred"}
    assert [(loss.what, loss.count) for loss in study.lost] == [("calibration", 1), ("seconds", 2)]


def test_films_of_a_study_bring_what_their_files_say(tmp_path, images):
    path = put(tmp_path, "a.csv", f"{HEAD},side,reader\n{ROW},left,anna\n")
    study = read_annotations(path, context=Context(films=images, spacing=Spacing(0.5, 0.5, SpacingSource.FLAG)))
    ((film, marks),) = study.training_set("anna").rows
    assert (film.path, film.side, film.pixels.shape) == (images / "hip1.png", "left", (100, 200))
    assert marks.frame == film.frame == Frame(200, 100, Spacing(0.5, 0.5, SpacingSource.FLAG))
    assert with_films(study, images).films == study.films  # nothing is stated twice
    bare = read_annotations(path)
    assert read_by(bare, "anna").rows[0].film.path is None
    with pytest.raises(InputError, match="'ben'"):
        read_by(bare, "ben")


NAME = st.text("abcdefghij_ R", min_size=1, max_size=8).map(lambda s: f"n{s.strip()}")
COORDINATE = st.floats(1, 99, allow_nan=False).map(lambda v: round(v, 3))
SHARE = st.one_of(st.none(), st.floats(0, 1).map(lambda v: round(v, 4)))
MARK = st.one_of(
    st.builds(
        Mark,
        st.sampled_from([State.PRESENT, State.OCCLUDED]),
        COORDINATE,
        COORDINATE,
        SHARE,
        st.sampled_from([None, *Origin]),
        SHARE,
        st.sampled_from([None, (4.0, -0.5, 2.25)]),
    ),
    st.just(ABSENT),
    st.just(NOT_ANNOTATED),
)


AUTHOR = st.sampled_from(
    [
        None,
        Reader("anna"),
        Reader("Żółć, B.", "2"),
        Model("a" * 64),
        Model("b" * 64, "hips"),
        Consensus(("anna", 'b; "c"')),
    ]
)
FACTS = st.sampled_from(
    [(), (fact("side", "left", FactSource.TABLE), fact("cone_beam", "1000,0,1.5,-2", FactSource.TABLE)),
     (fact("date", "20240501", FactSource.TABLE), fact("head_mm", "a,b,c,32", FactSource.TABLE))]
)  # fmt: skip
SPACING = st.sampled_from(
    [None, Spacing(0.1, 0.1, SpacingSource.TABLE), Spacing(0.143, 0.2, SpacingSource.TABLE),
     Spacing(0.25, 0.25, SpacingSource.KNOWN_BALL)]
)  # fmt: skip


@st.composite
def sets(draw: st.DrawFn) -> Study:
    """Films of one scheme, each read once, by a person, a model, several who agree, or nobody named."""
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    scheme = Scheme.from_names(names, "drawn")
    rows = [
        marked(
            *(draw(MARK) for _ in names),
            scheme=scheme,
            name=f"{draw(st.sampled_from(['', 'sub/']))}film {k}.png",
            spacing=draw(SPACING),
            author=draw(AUTHOR),
            patient=draw(st.sampled_from([None, "P 1"])),
            facts=draw(FACTS),
            part=draw(st.sampled_from([None, "test"])),
            attributes=draw(st.sampled_from([{}, {"sex": "f"}])),
        )
        for k in range(draw(st.integers(1, 3)))
    ]
    return Study(scheme, tuple(rows))


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "sub").mkdir()
    for k in range(3):
        for name in (f"film {k}.png", f"sub/film {k}.png"):
            Image.new("L", (200, 100)).save(folder / name)
    return folder


def facts_of(film: Film) -> dict[str, Fact]:
    return {name: found for name, found in stated(film).items() if name != "patient"}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=sets())
def test_what_is_not_reported_as_lost_comes_back(tmp_path, films, name, data):
    target = FORMATS[name]
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    try:
        told = {loss.what for loss in write_annotations(out, data, name)}
    except InputError as error:
        assert name == "isbi"
        assert "no word for that" in str(error)  # noqa: PT017
        return
    scheme = data.scheme if not target.holds.names else None
    any_mark = any(marks.placed.any() for _, marks in data.rows)
    try:
        back = read_annotations(out, name, Context(scheme=scheme, films=films))
    except InputError as error:
        assert "holds no landmark" in str(error)  # noqa: PT017
        assert not any_mark
        return
    assert len(back) == len(data)
    by_name = {Path(row.film.name).with_suffix("").as_posix(): row for row in back.rows}
    for film, marks in data.rows:
        other_film, other = by_name[Path(film.name).with_suffix("").as_posix()]
        same_to_px = 0.51 if "sub-pixel position" in told else 2e-4
        for landmark in data.scheme.names:
            ours, theirs = marks.mark(landmark), other.mark(landmark)
            assert ours.placed == theirs.placed
            if ours.placed:
                assert math.dist(ours.point, theirs.point) <= same_to_px * math.sqrt(2)
            if ours.state.label.replace("_", " ") not in told:
                assert ours.state == theirs.state
            for word, quantity in (
                ("confidence", "confidence"), ("presence", "presence"), ("covariance", "covariance"),
                ("origin of a mark", "origin"),
            ):  # fmt: skip
                if word not in told:
                    assert getattr(theirs, quantity) == getattr(ours, quantity)
        if "pixel spacing" not in told:
            source = {"source of the spacing"} & told and SpacingSource.TABLE
            assert other_film.spacing == (
                replace(film.spacing, source=source) if source and film.spacing else film.spacing
            )
        if not told & {"reader", "session", "model", "names behind a consensus"}:
            # A confidence that nobody signs is a model's, as files of earlier versions have it.
            unsigned = marks.author is None and marks.confidence is not None and "confidence" not in told
            assert other.author == (Model("") if unsigned else marks.author)
            assert (other.model and other.model.name) == (
                marks.model.name if marks.model else (unsigned and "model") or None
            )
        if "patient" not in told:
            assert other_film.patient == film.patient
        if "split" not in told:
            assert other_film.part == film.part
        if "fact of a film" not in told:
            assert facts_of(other_film) == facts_of(film)
        if "further column" not in told:
            assert {k: v for k, v in other_film.attributes.items() if not k.startswith("tps_")} == film.attributes
        if "film size" not in told:
            assert other_film.size == film.size


# ------------------------------------------------------------------------------------------------ a format of one's own


def read_dots(path: Path, context: Context) -> Study:
    _ = context
    lines = [line.split("|") for line in path.read_text().splitlines()[1:]]
    return gathered(path, [film_row(film, {name: present(float(x), float(y))}) for film, name, x, y in lines])


def dots(study: Study) -> str:
    return "dots\n" + "".join(
        f"{film.name}|{name}|{x}|{y}\n"
        for film, marks in study.rows
        for name, (x, y) in zip(study.scheme.names, marks.points.tolist(), strict=True)
    )


DOTS = Format(
    "dots",
    "dots and bars",
    ".dots",
    Holds(),
    lambda content: content.line == "dots",
    read_dots,
    text=dots,
    default=True,
)


class Entry:
    """An entry point of another package."""

    name = "dots"
    value = "dots.format:DOTS"

    def __init__(self, loads: object) -> None:
        self.loads = loads

    def load(self) -> object:
        if isinstance(self.loads, Exception):
            raise self.loads
        return self.loads


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch):
    """Install other packages with these objects as their formats; radmark then looks for formats anew."""

    def install(*loads: object) -> None:
        monkeypatch.setattr(formats, "entry_points", lambda **_: [Entry(each) for each in loads])
        monkeypatch.setattr(FORMATS, "_all", {})
        monkeypatch.setattr(FORMATS, "_found", False)

    return install


def test_a_format_of_another_package_is_found_recognised_read_and_written(tmp_path, others):
    others(DOTS)
    one = Study(Scheme.from_names(["p"]), (marked(present(60, 90), scheme=Scheme.from_names(["p"])),))
    assert [loss.what for loss in write_annotations(tmp_path / "a.dots", one)] == []
    assert (tmp_path / "a.dots").read_text() == "dots\nhip1.png|p|60.0|90.0\n"
    assert sniff(tmp_path / "a.dots") is DOTS
    assert read_annotations(tmp_path / "a.dots").rows[0].marks["p"].tolist() == [60, 90]
    assert {"csv", "coco", "dots"} <= set(FORMATS)


def test_the_docs_name_every_format_and_every_column():
    docs = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    for name in FORMATS:
        assert f"\n| `{name}`" in docs
    for column in (*KNOWN, *(f"<name>_{quantity.name}" for quantity in QUANTITIES)):
        assert f"`{column}`" in docs
    for word in (*SpacingSource, *Origin):
        assert f"`{word}`" in docs


def test_a_format_that_cannot_be_loaded_takes_no_other_with_it(others):
    others(ImportError("no module named dots"), DOTS)
    with pytest.warns(UserWarning, match="annotation format dots cannot be used: no module named dots"):
        assert {"csv", "dots"} <= set(FORMATS)


def test_two_formats_do_not_share_a_name_nor_a_suffix_to_write(others):
    others()
    FORMATS.register(DOTS)
    with pytest.raises(ValueError, match="a format dots already"):
        FORMATS.register(DOTS)
    with pytest.raises(ValueError, match=r"\.csv says format csv already"):
        FORMATS.register(replace(DOTS, name="mine", suffix=".csv"))
    with pytest.raises(ValueError, match="either text or files"):
        replace(DOTS, text=None)


def test_a_file_that_two_formats_claim_is_asked_about(tmp_path, others):
    others(replace(DOTS, recognise=lambda content: content.line.startswith("LM=")))
    with pytest.raises(InputError, match=r"could be (tps and dots|dots and tps).*--from"):
        sniff(put(tmp_path, "a.tps", TPS))


# ----------------------------------------------------------------------------------------------------- whose file is it


def test_the_format_is_told_by_the_content(tmp_path):
    files = {
        "coco": COCO, "cvat": CVAT, "label-studio": LABEL_STUDIO, "labelme": LABELME, "slicer": SLICER, "tps": TPS,
        "json": OWN, "long": LONG, "txt": "hip1.png,2,60,90,0,0\n", "isbi": "835,996\n1473,1029\n1\n",
        "csv": "image_name,image_width,image_height,n_landmarks,p_x,p_y\na.png,1,1,1,,\n",
    }  # fmt: skip
    for name, content in files.items():
        assert sniff(put(tmp_path, f"{name}.dat", content)).name == name
    for nonsense in ("", "hello", '{"a": 1}', "3"):
        with pytest.raises(InputError, match="--from"):
            sniff(put(tmp_path, "x.dat", nonsense))


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotations><image name="&c;"/></annotations>'
FILE_ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotations><image name="&x;"/></annotations>'


def changed(content: object, where: list[str | int], value: object) -> str:
    copy = json.loads(json.dumps(content))
    at = copy
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    return json.dumps(copy)


SHAPE = ["shapes", 0, "points"]
RESULT = [0, "annotations", 0, "result", 0]
POINT = ["markups", 0, "controlPoints", 0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cvat", BOMB, "entity bombs"),
        ("cvat", FILE_ENTITY, "entity bombs"),
        ("cvat", CVAT[:200], "not XML"),
        ("cvat", "<annotations>" * 80 + "</annotations>" * 80, "too deeply"),
        ("cvat", CVAT.replace('"60.50,90.50"', '"nan,1"'), "row 4: this is not a point"),
        ("cvat", CVAT.replace('"60.50,90.50"', '"1,2;3,4"'), "row 4: several points"),
        ("cvat", CVAT.replace('width="200"', 'width="-3"'), "not a number of pixels"),
        ("cvat", CVAT.replace("teardrop_L", "teardrop_R"), "twice on film hip1.png"),
        ("cvat", CVAT.replace('name="hip1.png"', 'name="../../hip1.png"'), "leads out of the folder of films"),
        ("cvat", "<annotations><track/></annotations>", "CVAT for video"),
        ("coco", changed(COCO, ["annotations", 0, "keypoints", 0], "60"), r"annotations\[0\].keypoints\[0\]: a number"),
        ("coco", json.dumps(COCO).replace("60, 90", "NaN, 90"), "not finite"),
        ("coco", json.dumps(COCO).replace("60, 90", "1e999, 90"), "not finite"),
        ("coco", changed(COCO, ["annotations", 0, "keypoints", 2], 3), "visibility is none of 0, 1 and 2"),
        ("coco", changed(COCO, ["annotations", 0, "keypoints"], [1, 2]), "9 numbers are expected, not 2"),
        ("coco", changed(COCO, ["annotations", 0, "image_id"], 8), "no image of this id"),
        ("coco", changed(COCO, ["categories", 0, "keypoints"], ["a", "a", "b"]), "twice in a scheme"),
        ("coco", changed(COCO, ["images", 0, "file_name"], "/etc/passwd"), "not a valid film name"),
        ("coco", json.dumps(COCO)[:-30], "not JSON"),
        ("coco", '{"images": [], "images": []}', "twice in one object"),
        ("coco", "[" * 100_000, "nested too deeply"),
        ("coco", '{"images": ' + "9" * 5000 + "}", "a number too long"),
        ("label-studio", changed(LABEL_STUDIO, [*RESULT, "image_rotation"], 90), "turned"),
        ("label-studio", changed(LABEL_STUDIO, [*RESULT, "value", "keypointlabels"], []), "no label"),
        ("label-studio", changed(LABEL_STUDIO, [*RESULT, "original_width"], 0), "at least one pixel"),
        ("label-studio", changed(LABEL_STUDIO, [0, "data"], {"text": 3}), "a text is expected"),
        ("labelme", changed(LABELME, SHAPE, [[1, 2], [3, 4]]), "one pair of coordinates"),
        ("labelme", changed(LABELME, SHAPE, [["1", 2]]), r"shapes\[0\].points\[0\]\[0\]: a number"),
        ("labelme", changed(LABELME, ["shapes", 1, "label"], "teardrop_R"), "twice on film hip1.png"),
        ("slicer", changed(SLICER, ["markups", 0, "coordinateSystem"], "IJK"), "neither LPS nor RAS"),
        ("slicer", changed(SLICER, [*POINT, "position"], [1, 2, 30]), "30 mm away"),
        ("slicer", changed(SLICER, [*POINT, "positionStatus"], "maybe"), "no such status"),
        ("tps", TPS.replace("NA NA", "NA 3"), "row 3: this is not a point"),
        ("tps", TPS.replace("NA NA\n", ""), "too early"),
        ("tps", "LM=99999999999\n", "not a number of points"),
        ("tps", "LM3=1\n1 2 3\n", "3-D"),
        ("tps", "LM=2\n1 2", "too early"),
        ("txt", "hip1.png,3,60,90,0,0\n", "row 1: the line has 6 cells"),
        ("txt", "hip1.png,2,60,90,0,0\nhip2.png,1,3,4\n", "row 2: the lines before"),
        ("txt", "hip1.png,1,6,nan\n", "not a number"),
        ("isbi", "835,996\nx,3\n", "row 2: this is neither"),
        ("isbi", "835,inf\n", "row 1: this is neither"),
        ("long", LONG.replace("61,5", "nan"), "row 4, column x: this is not a number"),
        ("long", LONG.replace(";ben", ";anna"), "twice on film hip1.png"),
        ("long", LONG.replace("61,5;90;;ben;P1", "61,5;90;;anna;P2"), "says 'P1' of the same image"),
        ("long", LONG.replace(";absent;", ";gone;"), "no such state"),
        ("long", LONG.replace("60;90;;", "60;90;absent;"), "contradict"),
        ("json", changed(OWN, ["schema_version"], 2), "not known here"),
        ("json", changed(OWN, ["pixel_origin"], "corner"), "origin of the coordinates is another"),
        ("json", changed(OWN, ["images", 0, "landmarks", "apex", "state"], "present"), "contradict"),
        ("json", changed(OWN, ["images", 0, "landmarks", "hip"], {"state": "absent"}), "has a landmark that"),
        ("json", changed(OWN, ["images", 0, "spacing", "x_mm"], -1), "not a positive number"),
        ("json", changed(OWN, ["images", 0, "spacing", "source"], "guess"), "no such source of a spacing"),
        ("json", changed(OWN, ["images", 0, "facts"], {"side": {"value": "up", "source": "user"}}), "not a value of side"),
        ("json", changed(OWN, ["images", 0, "facts"], {"side": {"value": "left", "source": "me"}}), "no such source of a fact"),
        ("json", changed(OWN, ["images", 0, "facts"], {"hat": {"value": "red", "source": "user"}}), "no such fact"),
        ("json", changed(OWN, ["images", 0, "model"], {"name": "m"}), "images.0..model.sha256: a text"),
        ("json", changed(OWN, ["images", 0, "landmarks", "teardrop_R", "confidence"], 1.5), "not a value of confidence"),
        ("json", changed(OWN, ["images", 0, "landmarks", "teardrop_R", "covariance"], [1, 2]), "not a value of covariance"),
        ("json", changed(OWN, ["images", 0, "landmarks", "teardrop_R", "origin"], "dreamt"), "not a value of origin"),
        ("long", LONG.replace("sex", "side"), "column side: this is not a value of side"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_name_and_a_way_out(tmp_path, images, name, content, says):
    path = put(tmp_path, "damaged.dat", content)
    spacing = Spacing(0.1, 0.2, SpacingSource.FLAG)
    context = Context(films=images if name == "tps" else None, spacing=spacing)
    with pytest.raises(InputError, match=says) as raised:
        read_annotations(path, name, context)
    assert raised.value.file == str(path)
    assert raised.value.remedy


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_or_overwritten_anywhere_never_ends_in_a_traceback(tmp_path, data):
    sample = {"coco": COCO, "cvat": CVAT, "label-studio": LABEL_STUDIO, "labelme": LABELME, "slicer": SLICER, "tps": TPS,
              "json": OWN, "long": LONG, "txt": "hip1.png,2,60,90,0,0\n", "isbi": "835,996\n1473,1029\n1\n"}  # fmt: skip
    name = data.draw(st.sampled_from(sorted(sample)))
    content = sample[name]
    raw = (content if isinstance(content, str) else json.dumps(content)).encode()
    at = data.draw(st.integers(0, len(raw)))
    path = tmp_path / "x.dat"
    path.write_bytes(raw[:at] + data.draw(st.binary(max_size=4)) + raw[at + data.draw(st.integers(0, 8)) :])
    for format_ in (name, None):
        try:
            read_annotations(path, format_, Context(spacing=Spacing(0.1, 0.2, SpacingSource.FLAG)))
        except InputError as error:
            assert error.remedy  # noqa: PT017


def test_a_scheme_keeps_its_landmarks_and_says_what_it_left(tmp_path):
    found = read_annotations(
        put(tmp_path, "a.json", OWN), context=Context(scheme=Scheme.from_names(["apex", "teardrop_R"]))
    )
    assert found.scheme.names == ("apex", "teardrop_R")
    assert [(loss.what, loss.count) for loss in found.lost] == [("landmark teardrop_L", 1)]
    with pytest.raises(InputError, match="no landmark of scheme ceph-19"):
        read_annotations(tmp_path / "a.json", context=Context(scheme=read_scheme("ceph-19")))
