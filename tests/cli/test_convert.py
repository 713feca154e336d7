"""`radmark convert` as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_files import film
from radmark import cli

HEAD = "image_name,image_width,image_height,n_landmarks,p_x,p_y,p_state,q_x,q_y,q_state,patient_id"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(
        f"{HEAD}\na.png,40,30,2,1.5,2.5,present,,,absent,Kowalski\nb.png,40,30,2,3,4,occluded,5,6,present,Kowalski\n"
    )
    return path


def test_what_a_format_cannot_hold_is_said_with_counts_and_never_whose_film_it_is(table, tmp_path, capsys):
    assert cli.main(["convert", str(table), str(tmp_path / "o.json"), "--to", "coco"]) == 0
    said = capsys.readouterr()
    assert "lost: 1 x absent" in said.err
    assert "lost: 2 x patient" in said.err
    assert "occluded" not in said.err
    assert "Kowalski" not in said.err + said.out + (tmp_path / "o.json").read_text()
    assert "2 films, 2 readings, 2 landmarks" in said.out
    first, second = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert first["keypoints"] == [1.5, 2.5, 2, 0, 0, 0]
    assert second["keypoints"] == [3, 4, 1, 5, 6, 2]


def test_strict_writes_nothing_where_something_would_be_lost(table, tmp_path, capsys):
    assert cli.main(["convert", str(table), str(tmp_path / "o.json"), "--to", "coco", "--strict"]) == 1
    assert "would be lost: 1 x absent" in capsys.readouterr().err
    assert not (tmp_path / "o.json").exists()
    assert cli.main(["convert", str(table), str(tmp_path / "o.json"), "--strict"]) == 0  # radmark's own loses nothing
    assert capsys.readouterr().err == ""


def test_sizes_come_from_the_images_where_the_format_has_none(tmp_path, capsys):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / "a.tps").write_text("LM=1\n10 20\nIMAGE=a.png\n")
    command = ["convert", str(tmp_path / "a.tps"), str(tmp_path / "o.csv")]
    assert cli.main(command) == 2
    assert "--films" in capsys.readouterr().err
    assert cli.main([*command, "--images", str(tmp_path), "--reader", "anna"]) == 0
    assert (tmp_path / "o.csv").read_text().splitlines()[1] == "a.png,40,30,1,10.0000,10.0000,anna"


def test_points_of_another_picture_are_refused(table, tmp_path, capsys):
    for name in ("a.png", "b.png"):
        Image.new("L", (30, 40)).save(tmp_path / name)
    assert cli.main(["convert", str(table), str(tmp_path / "o.json"), "--images", str(tmp_path)]) == 2
    assert "30 wide and 40 high" in capsys.readouterr().err


def test_an_existing_file_is_kept_unless_told_otherwise(table, tmp_path, capsys):
    out = tmp_path / "o.json"
    out.write_text("precious")
    assert cli.main(["convert", str(table), str(out)]) == 2
    assert out.read_text() == "precious"
    assert cli.main(["convert", str(table), str(out), "--overwrite"]) == 0
    assert cli.main(["convert", str(table), str(tmp_path / "o.doc")]) == 2
    assert "--to" in capsys.readouterr().err


def test_films_bring_their_millimetres_and_keep_whose_they_are(tmp_path):
    film(
        tmp_path / "d.dcm",
        np.zeros((30, 40), np.uint16),
        ImagerPixelSpacing=[0.18, 0.1728],
        PatientID="4711",
        Laterality="L",
    )
    (tmp_path / "a.csv").write_text("image_name,image_width,image_height,n_landmarks,p_x,p_y\nd.dcm,40,30,1,1,2\n")
    command = [
        "convert",
        str(tmp_path / "a.csv"),
        str(tmp_path / "o.csv"),
        "--films",
        str(tmp_path),
        "--reader",
        "anna",
    ]
    assert cli.main(command) == 0
    header, row = (tmp_path / "o.csv").read_text().splitlines()
    told = dict(zip(header.split(","), row.split(","), strict=True))
    assert (told["spacing_x_mm"], told["spacing_y_mm"], told["reader"]) == ("0.1728", "0.18", "anna")
    assert told["spacing_source"] == "dicom-detector"
    assert "4711" not in row


def test_an_unknown_format_is_answered_with_the_known(table, tmp_path, capsys):
    assert cli.main(["convert", str(table), str(tmp_path / "o.x"), "--to", "excel"]) == 2
    assert "no such format (got 'excel'). Use one of: coco, cvat" in capsys.readouterr().err
