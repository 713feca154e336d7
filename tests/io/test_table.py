"""The table is written here by hand, and read by Python's own csv and json where radmark writes it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dicom_files import film
from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource, State
from radmark.core.facts import FactSource
from radmark.core.marks import Model, Reader
from radmark.io import (
    Severity,
    inspect_table,
    of_marks,
    read_dataset,
    read_scheme,
    write_annotations,
    write_predictions_csv,
)

HEAD = "image_name,image_width,image_height,n_landmarks"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three films, 40 wide and 30 high, one of them in a folder of its own."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.new("L", (40, 30)).save(folder / name)
    return folder


@pytest.fixture
def write(tmp_path: Path):
    """Write a table from its lines."""

    def write_lines(*lines: str, name: str = "points.csv", end: str = "\n", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write_lines


def test_points_are_those_of_the_cells_x_before_y(write, images):
    table = write(f"{HEAD},p_x,p_y,q_x,q_y", "a.png,40,30,2,1.25,2.5,39,29", "sub/c.png,40,30,2,-0.5,29.5,,")
    study = read_dataset(table, images)
    assert study.scheme.names == ("p", "q")
    first, second = study.rows
    assert first.marks.points.tolist() == [[1.25, 2.5], [39, 29]]
    assert first.marks["p"].tolist() == [1.25, 2.5]
    assert first.film.path == images / "a.png"
    assert first.film.pixels.shape == (30, 40)
    assert first.marks.frame == first.film.frame == Frame(40, 30)
    assert second.marks["p"].tolist() == [-0.5, 29.5]
    assert second.marks.states.tolist() == [State.PRESENT, State.NOT_ANNOTATED]


@pytest.mark.parametrize(
    ("lines", "end", "encoding"),
    [
        ((f"{HEAD},p_x,p_y", "a.png,40,30,1,1.5,2.5"), "\r\n", "utf-8-sig"),
        ((f"{HEAD},p_x,p_y", "a.png,40,30,1,1.5,2.5"), "\r", "utf-8"),
        ((f"{HEAD},p_x,p_y".replace(",", ";"), "a.png;40;30;1;1,5;2,5"), "\r\n", "utf-8-sig"),
        ((f"{HEAD},p_x,p_y".replace(",", ";"), "a.png;40;30;1;1.5;2.5"), "\n", "utf-8"),
        ((f"{HEAD},p_x,p_y".replace(",", "\t"), "a.png\t40\t30\t1\t1,5\t2.5"), "\n", "utf-8"),
        ((f" {HEAD} , p_x , p_y", ' "a.png", 40 , 30 , 1 , 1.5 , 2.5 '), "\n", "utf-8"),
        ((f"{HEAD},p_x,p_y,", "", "a.png,40.0,30.0,1,15e-1,+2.5,", ",,,,,,"), "\n", "utf-8"),
    ],
)
def test_tables_of_all_spreadsheets_are_read(write, images, lines, end, encoding):
    (row,) = read_dataset(write(*lines, end=end, encoding=encoding), images).rows
    assert row.marks["p"].tolist() == [1.5, 2.5]


def test_optional_columns_may_stand_anywhere(write, images):
    table = write(
        f"sex,p_state,patient_id,{HEAD},p_x,spacing_y_mm,p_y,split,reader,spacing_x_mm,p_confidence",
        "f,occluded,P1,a.png,40,30,1,3,0.2,4,test,anna,0.1,0.9",
    )
    study = read_dataset(table, images)
    (row,) = study.rows
    assert study.reader == "anna"
    assert (row.film.owner, row.film.part) == ("P1", "test")
    assert (row.film.attributes, row.marks.reader) == ({"sex": "f"}, "anna")
    assert row.marks.frame.spacing == Spacing(0.1, 0.2, SpacingSource.TABLE)
    assert row.marks.states.tolist() == [State.OCCLUDED]
    assert row.marks["p"].tolist() == [3, 4]


def test_without_patient_id_each_image_is_a_patient(write, images):
    table = write(f"{HEAD},p_x,p_y", "a.png,40,30,1,1,1", "b.png,40,30,1,1,1")
    assert [row.film.owner for row in read_dataset(table, images).rows] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("word", "x", "state"),
    [("present", "5", 0), ("Occluded", "5", 1), ("absent", "", 2), ("not_annotated", "", 3), ("", "", 3), ("", "5", 0)],
)
def test_states_are_read(write, images, word, x, state):
    table = write(f"{HEAD},p_x,p_y,p_state", f"a.png,40,30,1,{x},{x},{word}")
    assert read_dataset(table, images).rows[0].marks.states.tolist() == [state]


def test_a_click_in_the_corner_means_absent_only_where_that_is_asked_for(write, images):
    table = write(f"{HEAD},p_x,p_y,q_x,q_y,q_state", "a.png,40,30,2,4.9,4.9,1,1,present", "b.png,40,30,2,5,4,6,7,")
    clicked, beside = read_dataset(table, images, absent_corner_px=5).rows
    assert clicked.marks.states.tolist() == [State.ABSENT, State.PRESENT]
    assert beside.marks.states.tolist() == [State.PRESENT, State.PRESENT]
    assert read_dataset(table, images).rows[0].marks.states.tolist() == [State.PRESENT, State.PRESENT]


def test_a_shipped_scheme_is_recognised_by_its_names_and_the_tables_order_wins(write, images):
    shipped = read_scheme("pelvis-radiograph")
    names = shipped.names[::-1]
    columns = ",".join(f"{name}_x,{name}_y" for name in names)
    table = write(f"{HEAD},{columns}", ",".join(["a.png", "40", "30", str(len(names)), *["1", "2"] * len(names)]))
    scheme = read_dataset(table, images).scheme
    assert scheme.name == "pelvis-radiograph"
    assert scheme.names == names
    assert scheme.pairs == shipped.pairs
    assert scheme.landmarks[0] == shipped.landmarks[-1]


def test_names_nobody_ships_become_a_scheme_with_pairs(write, images):
    table = write(f"{HEAD},hip_left_x,hip_left_y,hip_right_x,hip_right_y", "a.png,40,30,2,1,1,2,2")
    scheme = read_dataset(table, images).scheme
    assert scheme.name == "custom"
    assert scheme.pairs == (("hip_right", "hip_left"),)


def test_a_scheme_picks_its_landmarks_by_name(write, images):
    table = write(f"{HEAD},p_x,p_y,q_x,q_y", "a.png,40,30,2,1,1,2,3")
    study = read_dataset(table, images, scheme=Scheme.from_names(["q"], "one"))
    assert study.scheme.name == "one"
    assert study.rows[0].marks.points.tolist() == [[2, 3]]
    assert study.rows[0].film.attributes == {}


def test_a_flag_wins_over_the_table_and_the_table_over_the_spacing_file(write, images):
    table = write(
        f"{HEAD},p_x,p_y,spacing_x_mm,spacing_y_mm",
        "a.png,40,30,1,1,1,0.1,0.2",
        "b.png,40,30,1,1,1,,",
        "sub/c.png,40,30,1,1,1,,",
    )
    file = write("image_name;spacing_x_mm;spacing_y_mm", "a.png;7;7", "b.png;0,3;0,4", name="spacing.csv")
    flag = Spacing(0.5, 0.6, SpacingSource.FLAG)

    def spacings(**options: Any) -> list[Spacing | None]:
        return [row.marks.frame.spacing for row in read_dataset(table, images, **options).rows]

    assert spacings(spacing=flag, spacing_file=file) == [flag] * 3
    from_table, from_file = Spacing(0.1, 0.2, SpacingSource.TABLE), Spacing(0.3, 0.4, SpacingSource.FILE)
    assert spacings(spacing_file=file) == [from_table, from_file, None]
    assert spacings() == [from_table, None, None]
    (warning,) = inspect_table(table, images, spacing_file=file).problems
    assert warning.severity is Severity.WARNING
    assert "spacing.csv has no spacing for 1 image" in str(warning)


def test_a_name_may_lack_its_suffix_and_use_windows_slashes(write, images):
    table = write(f"{HEAD},p_x,p_y", "a,40,30,1,1,1", "sub\\c.png,40,30,1,1,1")
    assert [row.film.path for row in read_dataset(table, images).rows] == [images / "a.png", images / "sub/c.png"]


def test_one_reader_of_several_can_be_chosen(write, images):
    table = write(f"{HEAD},p_x,p_y,reader", "a.png,40,30,1,1,1,anna", "a.png,40,30,1,2,2,ben")
    study = read_dataset(table, images, reader="ben")
    assert study.reader == "ben"
    assert study.rows[0].marks["p"].tolist() == [2, 2]


def test_a_table_without_readers_is_all_by_the_one_who_is_named(write, images):
    table = write(f"{HEAD},p_x,p_y", "a.png,40,30,1,1,1")
    assert read_dataset(table, images, reader="senior").reader == "senior"
    assert read_dataset(table, images).reader is None


ROW = "a.png,40,30,1,1,1"
ONE = f"{HEAD},p_x,p_y"


@pytest.mark.parametrize(
    ("lines", "row", "column", "value", "remedy"),
    [
        ((ONE, "a.png,40,30,1,one,1"), 2, "p_x", "one", "Write a number with a decimal point"),
        ((ONE, "b.png,40,30,1,1,1", "a.png,40,30,1,1,nan"), 3, "p_y", "nan", "Write a number with a decimal point"),
        ((ONE, "a.png,40,30,1,1,1_0"), 2, "p_y", "1_0", "Write a number"),
        ((ONE, 'a.png,40,30,1,"1,5",1'), 2, "p_x", "1,5", "Write a number with a decimal point"),
        ((ONE.replace(",", ";"), "a.png;40;30;1;1.000,5;1"), 2, "p_x", "1.000,5", "Write a number"),
        ((ONE, "a.png,40,30,1,,1"), 2, "p_x", "", "Fill both cells or leave both empty"),
        ((ONE, "a.png,40,30,1,1,"), 2, "p_y", "", "Fill both cells or leave both empty"),
        ((ONE, "a.png,40,30,1,40,1"), 2, "p_x", "40", "Correct the point, leave x and y empty, or state it absent"),
        ((ONE, "a.png,40,30,1,1,-0.6"), 2, "p_y", "-0.6", "Correct the point, leave x and y empty, or state it absent"),
        ((ONE, "a.png,41,30,1,1,1"), 2, "image_width", "41", "Give the image the points were marked on"),
        ((ONE, "a.png,30,40,1,1,1"), 2, "image_width", "30", "Give the image the points were marked on"),
        ((ONE, "a.png,40,,1,1,1"), 2, "image_height", "", "Write a number"),
        ((ONE, "a.png,40.5,30,1,1,1"), 2, "image_width", "40.5", "Write a number such as 1024"),
        ((ONE, "a.png,40,30,2,1,1"), 2, "n_landmarks", "2", "Write 1, empty cells included, or fix the columns"),
        ((ONE, "z.png,40,30,1,1,1"), 2, "image_name", "z.png", "Correct the name, or add the file"),
        ((ONE, f"{'z' * 300},40,30,1,1,1"), 2, "image_name", "z" * 300, "Correct the name, or add the file"),
        ((ONE, "../a.png,40,30,1,1,1"), 2, "image_name", "../a.png", "Give names relative to the folder of images"),
        ((ONE, ",40,30,1,1,1"), 2, "image_name", "", "Give names relative to the folder of images"),
        ((ONE, ROW, ROW), 3, "image_name", "a.png", "Keep one row for each image"),
        ((ONE, ROW, "a,40,30,1,1,1"), 3, "image_name", "a", "Keep one row for each image"),
        ((ONE, "a.png,40,30,1,1"), 2, None, "a.png", "Give each column a cell"),
        ((ONE, f"{ROW},7"), 2, None, "a.png", "Give each column a cell"),
        (
            (f"{ONE},p_state", f"{ROW},gone"),
            2,
            "p_state",
            "gone",
            "Use one of: present, occluded, absent, not_annotated",
        ),
        (
            (f"{ONE},p_state", "a.png,40,30,1,,,occluded"),
            2,
            "p_state",
            "occluded",
            "Give its x and y, or the state absent",
        ),
        ((f"{ONE},p_state", f"{ROW},absent"), 2, "p_state", "absent", "Empty its x and y, or state it present"),
        ((f"{ONE},spacing_x_mm,spacing_y_mm", f"{ROW},0.1,"), 2, "spacing_y_mm", "", "Give both, or neither"),
        ((f"{ONE},spacing_x_mm,spacing_y_mm", f"{ROW},0.1,-1"), 2, "spacing_y_mm", "-1", "Give millimetres per pixel"),
        (
            (f"{ONE},spacing_x_mm,spacing_y_mm,spacing_source", f"{ROW},0.1,0.1,ruler"),
            2,
            "spacing_source",
            "ruler",
            "Use one of: flag, table, known-distance",
        ),
        ((f"{ONE},side", f"{ROW},up"), 2, "side", "up", "Give the patient's side on a film of one side"),
        ((f"{ONE},date", f"{ROW},1.5.2024"), 2, "date", "1.5.2024", "Give the day of the film: YYYY-MM-DD"),
        ((f"{ONE},magnification", f"{ROW},2"), 2, "magnification", "2", "Give how much larger the film shows"),
        ((f"{ONE},p_confidence", f"{ROW},1.5"), 2, "p_confidence", "1.5", "Give a number from 0 to 1"),
        ((f"{ONE},p_origin", f"{ROW},dreamt"), 2, "p_origin", "dreamt", "Give one of: placed, moved"),
        ((f"{ONE},p_covariance", f"{ROW},1 2"), 2, "p_covariance", "1 2", "Give xx, xy and yy in px²"),
        ((f"{ONE},spacing_x_mm", f"{ROW},0.1"), 2, "spacing_y_mm", "", "Give both, or neither"),
        ((f"{ONE},reader", f"{ROW},anna", f"{ROW},ben"), 3, "reader", "ben", "Choose one with --reader: anna; ben"),
        (
            ("image_name,p_x,p_y", "a.png,1,1"),
            1,
            "image_width",
            "image_name, p_x, p_y",
            f"Begin the header with {HEAD}",
        ),
        ((HEAD, "a.png,40,30,0"), 1, None, None, "Add a pair of columns"),
        ((f"{HEAD},p_x", "a.png,40,30,1,1"), 1, "p_x", None, "Add p_y, or rename the column"),
        ((f"{HEAD},p_y", "a.png,40,30,1,1"), 1, "p_y", None, "Add p_x, or rename the column"),
        ((f"{ONE},p_x", f"{ROW},1"), 1, "p_x", None, "Rename or remove one"),
        ((ONE,), None, None, None, "Add one row for each image"),
        (("",), 1, "image_name", "", f"Begin the header with {HEAD}"),
        ((ONE, ROW, '"b.png,40,30,1,1,1'), 3, None, None, "Save it as CSV, UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_file_row_column_value_and_remedy(write, images, lines, row, column, value, remedy):
    table = write(*lines)
    with pytest.raises(InputError, match=r"points\.csv") as caught:
        read_dataset(table, images)
    error = caught.value
    assert (error.file, error.row, error.column, error.value) == (str(table), row, column, value)
    assert error.remedy.startswith(remedy)


def test_a_name_without_suffix_that_fits_two_files_is_refused(write, images):
    Image.new("L", (40, 30)).save(images / "a.tif")
    with pytest.raises(
        InputError, match=r"a\.png and a\.tif could be meant \(got 'a'\)\. Write the name with its suffix"
    ):
        read_dataset(write(ONE, "a,40,30,1,1,1"), images)


def test_columns_a_scheme_needs_and_the_table_lacks_are_named(write, images):
    with pytest.raises(InputError, match=r"no columns for q, r of scheme mine\. Add the columns"):
        read_dataset(write(ONE, ROW), images, scheme=Scheme.from_names(["p", "q", "r"], "mine"))


def test_an_unknown_reader_is_answered_with_the_known(write, images):
    with pytest.raises(
        InputError, match=r"column reader: .* no row of this reader \(got 'carl'\)\. Use one of: anna; ben"
    ):
        read_dataset(write(f"{ONE},reader", f"{ROW},anna", f"{ROW},ben"), images, reader="carl")


def test_a_damaged_image_is_named_itself(write, images):
    (images / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png: the image file is empty\. Copy it again"):
        read_dataset(write(ONE, ROW), images)


def test_a_table_that_is_not_utf8_is_refused(write, images):
    with pytest.raises(InputError, match=r"points\.csv: the table is not UTF-8 text\. Save it as"):
        read_dataset(write(f"{ONE},größe", f"{ROW},1", encoding="latin-1"), images)


def test_missing_tables_and_folders_are_named(write, images, tmp_path):
    with pytest.raises(InputError, match=r"no\.csv: there is no such table\. Check the name"):
        read_dataset(tmp_path / "no.csv", images)
    with pytest.raises(InputError, match=r"nowhere: there is no such folder of films\. Give the folder with --films"):
        read_dataset(write(ONE, ROW), tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"images: the table cannot be opened: Is a directory\."):
        read_dataset(images, images)


def test_the_first_error_says_how_many_more_there_are(write, images):
    table = write(ONE, "a.png,40,30,1,99,1", "b.png,40,30,2,1,x")
    with pytest.raises(InputError, match=r"row 2, column p_x: .*\. 2 more errors in this data set: run radmark check"):
        read_dataset(table, images)
    inspection = inspect_table(table, images)
    assert inspection.rows == ()
    assert [problem.kind for problem in inspection.problems] == ["outside-image", "point-count", "point"]


def test_a_row_without_patient_is_worth_a_warning(write, images):
    table = write(f"{ONE},patient_id", f"{ROW},P1", "b.png,40,30,1,1,1,")
    assert [row.film.owner for row in read_dataset(table, images).rows] == ["P1", "b.png"]
    (problem,) = inspect_table(table, images).problems
    assert (problem.severity, problem.kind, problem.cause.row) == (Severity.WARNING, "patient", 3)


def test_facts_of_a_film_are_columns(write, images):
    columns = "side,display,operated,view,date,head_mm,magnification,pelvic_tilt_deg"
    table = write(f"{ONE},{columns}", f"{ROW},L,mirrored,right,AP,20240501,28,1.15,-4.5", "b.png,40,30,1,1,1,,,,,,,,")
    one, other = (row.film for row in read_dataset(table, images).rows)
    assert {f.name: f.value for f in one.facts} == {
        "side": "left", "display": "mirrored", "operated": "right", "view": "AP", "date": "2024-05-01", "head_mm": "28",
        "magnification": 1.15, "pelvic_tilt_deg": -4.5,
    }  # fmt: skip
    assert {f.source for f in one.facts} == {FactSource.TABLE}
    assert other.facts == ()
    assert one.attributes == {}


def test_a_decimal_comma_is_read_in_facts_and_a_list_stays_one(write, images):
    table = write(
        f"{ONE},head_mm,magnification,p_covariance,known_mm".replace(",", ";"),
        "a.png;40;30;1;1,5;1;28,5;1,15;4,5 0 2;a,b,25.4",
    )
    ((film, marks),) = read_dataset(table, images).rows
    assert (film.text("head_mm"), film.number("magnification"), film.text("known_mm")) == ("28.5", 1.15, "a,b,25.4")
    assert marks.mark("p").covariance == (4.5, 0, 2)


def test_a_table_that_contradicts_the_header_is_worth_a_warning(write, images):
    film(images / "d.dcm", np.zeros((30, 40), np.uint16), Laterality="L")
    table = write(f"{ONE},side,patient_id", "d.dcm,40,30,1,1,1,right,P1")
    (problem,) = inspect_table(table, images).problems
    assert (problem.severity, problem.kind) == (Severity.WARNING, "side_contradicted")
    assert "points.csv, row 2, column side: side: the table says right, the header says left" in str(problem)
    (row,) = read_dataset(table, images).rows
    assert (row.film.side, row.film.patient) == ("right", "P1")
    assert "side_contradicted" in row.film.flags


def test_one_reading_of_a_reader_is_chosen_by_its_label(write, images):
    older = write(f"{ONE},reader", "a.png,40,30,1,1,1,anna", "a.png,40,30,1,2,2,anna (reading 2)")
    newer = write(f"{ONE},reader,session", "a.png,40,30,1,1,1,anna,", "a.png,40,30,1,2,2,anna,2", name="newer.csv")
    for table in (older, newer):
        for reader, at, author in (
            ("anna", 1, Reader("anna")),
            ("anna, reading 2", 2, Reader("anna", "2")),
        ):
            (row,) = read_dataset(table, images, reader=reader).rows
            assert (row.marks["p"].tolist(), row.marks.author) == ([at, at], author)
        with pytest.raises(
            InputError, match=r"another reading in row 2.*Choose one with --reader: anna; anna, reading 2"
        ):
            read_dataset(table, images)
    (row,) = read_dataset(older, images, reader="anna (reading 2)").rows
    assert row.marks.author == Reader("anna", "2")


def test_a_models_table_is_a_models_and_whose_it_is_said_to_be(write, images):
    table = write(f"{ONE},model_sha256", f"{ROW},{'a' * 64}")
    (row,) = read_dataset(table, images).rows
    assert row.marks.author == Model("a" * 64)
    assert read_dataset(table, images, reader="anna").rows[0].marks.author == Reader("anna")


def predicted(
    name: str,
    points: list[list[float]],
    states: list[int] | None = None,
    spacing: Spacing | None = None,
    author: Model | None = None,
) -> Marks:
    scheme = Scheme.from_names(("p", "q"), "two")
    states_or_present = np.array(states or [0, 0], np.int8)
    confidence = np.where(states_or_present <= State.OCCLUDED, 0.5, np.nan)
    frame = Frame(40, 30, spacing)
    return Marks(scheme, frame, np.array(points), states_or_present, name, author, confidence=confidence)


NAN = [np.nan, np.nan]


def test_predictions_are_written_in_the_tables_columns(tmp_path):
    path = tmp_path / "out" / "p.csv"
    write_predictions_csv(path, [predicted("a.png", [[1.23456, 2], [3, 4]])])
    with path.open(newline="") as file:
        header, row = list(csv.reader(file))
    assert header == [*HEAD.split(","), "p_x", "p_y", "q_x", "q_y", "p_confidence", "q_confidence"]
    assert row == ["a.png", "40", "30", "2", "1.2346", "2.0000", "3.0000", "4.0000", "0.5000", "0.5000"]


def test_states_and_spacing_are_written_where_there_are_any(tmp_path):
    spacing = Spacing(0.1, 0.2, SpacingSource.FLAG)
    predictions = [predicted("a", [[1, 2], NAN], [1, 2], spacing), predicted("b", [[1, 2], NAN], [0, 3])]
    write_predictions_csv(tmp_path / "p.csv", predictions)
    with (tmp_path / "p.csv").open(newline="") as file:
        a, b = list(csv.DictReader(file))
    assert (a["spacing_x_mm"], a["spacing_y_mm"], b["spacing_x_mm"]) == ("0.1", "0.2", "")
    assert (a["p_state"], a["q_state"], b["p_state"], b["q_state"]) == (
        "occluded",
        "absent",
        "present",
        "not_annotated",
    )
    assert (a["q_x"], a["q_y"], a["q_confidence"]) == ("", "", "")


coordinate_x = st.floats(-0.5, 39.5)
coordinate_y = st.floats(-0.5, 29.5)
marks = st.one_of(
    st.tuples(st.sampled_from([0, 1]), coordinate_x, coordinate_y),
    st.tuples(st.sampled_from([2, 3]), st.just(np.nan), st.just(np.nan)),
)
millimetres = st.none() | st.tuples(st.floats(0.01, 10), st.floats(0.01, 10))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.lists(st.tuples(marks, marks), min_size=1, max_size=3), mm=millimetres)
def test_predictions_read_back_as_the_data_set_they_are(images, tmp_path, marks, mm):
    spacing = None if mm is None else Spacing(mm[0], mm[1], SpacingSource.TABLE)
    names = ("a.png", "b.png", "sub/c.png")
    predictions = [
        predicted(name, [[x, y] for _, x, y in pair], [state for state, _, _ in pair], spacing)
        for name, pair in zip(names, marks, strict=False)
    ]
    write_predictions_csv(tmp_path / "p.csv", predictions)
    study = read_dataset(tmp_path / "p.csv", images)
    for row, prediction in zip(study.rows, predictions, strict=True):
        assert row.film.name == prediction.film
        assert row.marks.frame == prediction.frame
        assert row.marks.states.tolist() == prediction.states.tolist()
        np.testing.assert_allclose(row.marks.points, prediction.points, atol=0.001, rtol=0)
        assert row.film.attributes == {}


def test_json_says_everything(tmp_path):
    spacing = Spacing(0.1, 0.2, SpacingSource.FLAG)
    path = tmp_path / "p.json"
    marks = [predicted("a", [[1, 2], NAN], [1, 2], spacing), predicted("b", [[1, 2], [3, 4]])]
    write_annotations(path, of_marks(marks))
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["schema_version"] == 1
    assert content["pixel_origin"] == "centre of the top-left pixel"
    assert content["notice"].startswith("For research use only")
    assert content["scheme"] == {"name": "two", "landmarks": ["p", "q"]}
    a, b = content["images"]
    assert a == {
        "image_name": "a",
        "image_width": 40,
        "image_height": 30,
        "spacing": {"x_mm": 0.1, "y_mm": 0.2, "source": "flag"},
        "landmarks": {
            "p": {"x": 1.0, "y": 2.0, "state": "occluded", "confidence": 0.5},
            "q": {"x": None, "y": None, "state": "absent", "confidence": None},
        },
    }
    assert b["spacing"] is None


def test_predictions_that_do_not_fit_in_one_file_are_refused(tmp_path):
    one = predicted("a", [[1, 2], [3, 4]])
    other = Marks.of(Scheme.from_names(("p",), "one"), Frame(40, 30), {"p": (1, 1)}, film="b")
    for predictions, problem in (
        ([], r"there is nothing to write\. Give at least one film"),
        ([one, one], r"the same film name \(got 'a'\)\. Give names with their folder"),
        ([one, other], r"schemes two and one do not fit in one file \(got 'b'\)\. Write one file per scheme"),
    ):
        with pytest.raises(InputError, match=problem):
            write_predictions_csv(tmp_path / "p.out", predictions)
    assert not (tmp_path / "p.out").exists()
