"""The folder that `write` leaves, read with other people's readers."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radmark.core.errors import InputError
from radmark.phantom import render, write

HEADER = "image_name,image_width,image_height,n_landmarks,patient_id,spacing_x_mm,spacing_y_mm,"
KNEE = "femoral_shaft_x,femoral_shaft_y,femoral_notch_x,femoral_notch_y,femoral_condyle_medial_x"


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_table_has_the_columns_the_field_already_uses(tmp_path: Path):
    table = write(tmp_path / "knees", "knee-radiograph", 2, seed=0, size_px=64)
    assert table == tmp_path / "knees" / "annotations.csv"
    first_line = table.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith(HEADER + KNEE)
    assert len(first_line.split(",")) == 7 + 2 * 8


def test_every_row_names_a_16_bit_picture_of_its_size_and_a_patient_of_its_own(tmp_path: Path):
    rows = rows_of(write(tmp_path, "pelvis-radiograph", 3, seed=1, size_px=96))
    assert [row["image_name"] for row in rows] == [f"pelvis-radiograph_000{i}.png" for i in range(3)]
    assert len({row["patient_id"] for row in rows}) == 3
    for row in rows:
        with Image.open(tmp_path / "images" / row["image_name"]) as image:
            assert image.mode == "I;16"
            assert image.size == (int(row["image_width"]), int(row["image_height"]))
            assert np.asarray(image).max() > 255
        assert row["n_landmarks"] == "20"
        assert row["spacing_x_mm"] == row["spacing_y_mm"]
        x_text = row["teardrop_right_x"]
        assert len(x_text.split(".")[1]) == 3
        assert 0 < float(x_text) < float(row["teardrop_left_x"]) < int(row["image_width"])


def test_a_longer_data_set_begins_with_the_shorter_one(tmp_path: Path):
    short = write(tmp_path / "short", "knee-radiograph", 1, seed=4, size_px=64)
    long = write(tmp_path / "long", "knee-radiograph", 2, seed=4, size_px=64)
    assert rows_of(long)[:1] == rows_of(short)
    picture = "images/knee-radiograph_0000.png"
    assert (tmp_path / "long" / picture).read_bytes() == (tmp_path / "short" / picture).read_bytes()


def test_two_processes_write_what_one_writes(tmp_path: Path):
    one = write(tmp_path / "one", "knee-radiograph", 6, seed=2, size_px=64)
    two = write(tmp_path / "two", "knee-radiograph", 6, seed=2, size_px=64, processes=2)
    assert one.read_bytes() == two.read_bytes()


def test_progress_is_told_picture_by_picture(tmp_path: Path):
    told: list[int] = []
    write(tmp_path, "knee-radiograph", 3, seed=0, size_px=64, on_image=told.append)
    assert told == [1, 2, 3]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="not empty"):
        write(tmp_path, "knee-radiograph", 1, seed=0, size_px=64)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_made_where_something_is_wrong(tmp_path: Path):
    for kind, n in (("skull", 1), ("knee-radiograph", 0)):
        with pytest.raises(InputError, match=r"kind|at least one"):
            write(tmp_path / "new", kind, n, seed=0)
    assert not (tmp_path / "new").exists()


def test_what_lies_on_disk_is_what_render_gives(tmp_path: Path):
    seed_of_image_0 = int(np.random.SeedSequence([9, 0]).generate_state(1, np.uint64)[0])
    [row] = rows_of(write(tmp_path, "knee-radiograph", 1, seed=9, size_px=64))
    phantom = render("knee-radiograph", seed_of_image_0, 64)
    assert float(row["spacing_x_mm"]) == pytest.approx(phantom.spacing_mm, abs=1e-6)
    with Image.open(tmp_path / "images" / "knee-radiograph_0000.png") as image:
        assert np.array_equal(np.asarray(image), phantom.pixels)
