"""`radmark agree` as a user types it, and on two doctors' readings of real films."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dicom_files import film as dicom
from radmark import cli
from radmark.io import read_annotations, with_films
from radmark.measure import examine

CEPH = Path(__file__).parents[2] / "../shared/data/ceph"
SPACING = "0.234261,0.234375"


def write(path: Path, rows: list[str], head: str = "hip_right_x,hip_right_y,hip_left_x,hip_left_y") -> Path:
    path.write_text("\n".join([f"image_name,image_width,image_height,n_landmarks,{head}", *rows, ""]))
    return path


@pytest.fixture
def readings(tmp_path: Path) -> tuple[Path, Path]:
    one = write(tmp_path / "anna.csv", [f"{n}.png,100,100,2,{20 + n},30,{80 + n},30" for n in range(6)])
    two = write(tmp_path / "ben.csv", [f"{n}.png,100,100,2,{23 + n},34,{80 + n},30" for n in range(6)])
    return one, two


def test_two_files_of_two_readers(readings, tmp_path, capsys):
    assert cli.main(["agree", *map(str, readings), "--out", str(tmp_path / "out")]) == 0
    assert "anna - ben: mean 2.50 [2.50, 2.50], median 2.50 px; 50.0 % < 2; 12 points" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert content["readers"] == ["anna", "ben"]
    rows = list(csv.DictReader((tmp_path / "out" / "agreement.csv").read_text().splitlines()))
    assert [(r["landmark"], float(r["mean"]), float(r["bias_x"]), float(r["bias_y"])) for r in rows] == [
        ("*", 2.5, 1.5, 2), ("hip_right", 5, 3, 4), ("hip_left", 0, 0, 0),
    ]  # fmt: skip
    assert cli.main(["agree", *map(str, readings), "--out", str(tmp_path / "out")]) == 2
    assert "not empty" in capsys.readouterr().err


def test_the_consensus_is_written_as_annotations_and_one_reader_alone_is_none(readings, tmp_path, capsys):
    head = "hip_right_x,hip_right_y,hip_right_state,hip_left_x,hip_left_y,hip_left_state"
    rows = ["0.png,100,100,2,40,41,occluded,,,absent", "1.png,100,100,2,1,2,present,,,absent"]
    third = write(tmp_path / "cleo.csv", rows, head)
    out = tmp_path / "mean.csv"
    command = ["agree", *map(str, readings), "--out", str(tmp_path / "out"), "--consensus", str(out)]
    assert cli.main(command) == 0
    assert "the consensus on 6 images" in capsys.readouterr().out
    first, *_ = csv.DictReader(out.read_text().splitlines())
    # anna (20, 30) and ben (23, 34): the middle; both (80, 30).
    assert [float(first[c]) for c in ("hip_right_x", "hip_right_y", "hip_left_x", "hip_left_y")] == [21.5, 32, 80, 30]
    assert cli.main([*command, "--overwrite"]) == 0
    assert cli.main([*command[:-2], "--overwrite", "--consensus", str(readings[0])]) == 2
    assert "a reader's own file" in capsys.readouterr().err
    long = tmp_path / "three.csv"
    assert (
        cli.main(["agree", str(readings[1]), str(third), "--out", str(tmp_path / "b"), "--consensus", str(long)]) == 0
    )
    two = {row["image_name"]: row for row in csv.DictReader(long.read_text().splitlines())}
    assert set(two) == {"0.png", "1.png"}  # what only ben read is no consensus
    assert (float(two["0.png"]["hip_right_x"]), two["0.png"]["hip_left_x"]) == (31.5, "")
    assert (
        cli.main(["agree", str(readings[1]), str(third), "--out", str(tmp_path / "c"), "--consensus", str(long)]) == 2
    )
    assert "exists already" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_one_long_table_of_several_readers_and_a_model(readings, tmp_path, capsys):
    lines = ["image,landmark,x,y,reader,spacing_x_mm,spacing_y_mm"]
    lines += [f"{n}.png,hip_right,{20 + n + k},30,reader{k},0.5,0.5" for n in range(6) for k in range(3)]
    (tmp_path / "long.csv").write_text("\n".join(lines))
    command = ["agree", str(tmp_path / "long.csv"), "--model", str(readings[0]), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--spacing-mm", "0.5"]) == 0
    # The model lies on reader0: 0, 1 and 2 px from the three, 1 on average; the readers 1, 2 and 1, 4/3 on average.
    assert "model to readers 0.50, between readers 0.67 mm, difference -0.17" in capsys.readouterr().out
    (both, one) = json.loads((tmp_path / "out" / "agreement.json").read_text())["model_against_readers"]
    assert (one["landmark"], one["n"], one["model_to_readers"]) == ("hip_right", 6, 0.5)
    assert both["verdict"] == "nearer"


def test_measurements_by_two_readers(tmp_path):
    names = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
    head = ",".join(f"{name}_x,{name}_y" for name in names)
    rows = [[f"{n}.png,300,300,4,50,100,250,100,60,{150 + n + d},240,150" for n in range(5)] for d in (0, 2)]
    files = [write(tmp_path / f"{name}.csv", of, head) for name, of in zip("ab", rows, strict=True)]
    command = ["agree", *map(str, files), "--measure", "--spacing-mm", "0.5", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0
    measures = json.loads((tmp_path / "out" / "agreement.json").read_text())["measurements"]
    lengths = [m for m in measures if m["unit"] == "mm" and m["pairs"] and abs(abs(m["pairs"][0]["bias"]) - 1) < 1e-6]
    assert lengths, [m["name"] for m in measures]  # 2 px at 0.5 mm, one way or the other, and always alike
    assert lengths[0]["reliability"]["icc_3_1"] == pytest.approx(1)
    assert "Bland" in (tmp_path / "out" / "index.html").read_text()


FRAME = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")


def lying(folder: Path, orientation: list[str] | None, places: list[tuple[float, float]]) -> tuple[Path, list[Path]]:
    """Five DICOM films that lie so, with 0.2 mm a pixel, and two readers' tables: the second is 2 px lower at one landmark."""
    folder.mkdir()
    pixels = np.tile(np.arange(300, dtype=np.uint16), (300, 1))
    names = [f"{n}.dcm" for n in range(5)]
    for name in names:
        dicom(folder / name, pixels, bits=16, PixelSpacing=[0.2, 0.2], PatientOrientation=orientation)
    head = ",".join(f"{name}_x,{name}_y" for name in FRAME)
    files = []
    for reader, lower in (("a", 0), ("b", 2)):
        rows = []
        for n, name in enumerate(names):
            moved = [*places[:2], (places[2][0], places[2][1] + n + lower), places[3]]
            rows.append(f"{name},300,300,4," + ",".join(f"{v:g}" for point in moved for v in point))
        files.append(write(folder / f"{reader}.csv", rows, head))
    return folder, files


STANDARD = [(50.0, 100.0), (250.0, 100.0), (60.0, 150.0), (240.0, 150.0)]
MIRRORED = [(299 - x, y) for x, y in STANDARD]


@pytest.mark.parametrize(
    ("orientation", "places"), [(["L", "F"], STANDARD), (["R", "F"], MIRRORED), (["R", "F"], STANDARD)]
)
def test_the_films_say_their_millimetres_and_how_they_lie_as_to_measure(tmp_path, capsys, orientation, places):
    """With the sides named the wrong way round there is no number at either door."""
    folder, files = lying(tmp_path / "films", orientation, places)
    command = ["agree", *map(str, files), "--films", str(folder), "--measure", "--out", str(tmp_path / "out")]
    code = cli.main(command)
    study = with_films(read_annotations(files[0]), folder)
    expected = {
        (f"{r.title}, {r.side}" if r.side else r.title, r.unit): r.value
        for r in examine(*study.rows[0]).results
        if r.value is not None
    }
    assert code == 0, capsys.readouterr().err
    content = json.loads((tmp_path / "out" / "agreement.json").read_text())
    found = {(m["name"], m["unit"]): m for m in content["measurements"] if m["pairs"]}
    assert set(found) == set(expected)
    assert bool(found) == (places == MIRRORED or orientation == ["L", "F"])
    assert content["unit"] == "mm"  # 2 px of 0.2 mm at one landmark of four
    assert content["pairs"][0]["mm"]["mean"] == pytest.approx(0.1)
    if found:
        leg = next(m for (name, _), m in found.items() if name.startswith("leg-length discrepancy"))
        assert abs(leg["pairs"][0]["bias"]) == pytest.approx(0.4)
    assert cli.main([*command[:3], "--images", *command[4:], "--overwrite"]) == 0  # the option's earlier name


def test_one_person_who_left_the_page_twice_counts_once(tmp_path, capsys):
    """As the page of earlier versions wrote it; between anna's first reading and ben 8 px, her second is nobody else's."""
    head = "reader,hip_right_x,hip_right_y,hip_left_x,hip_left_y"
    readers = (("anna", 10), ("anna (reading 2)", 11), ("ben", 18))
    file = write(
        tmp_path / "r.csv", [f"{n}.png,400,300,2,{r},{x},20,{x + 50},27" for r, x in readers for n in range(3)], head
    )
    out = tmp_path / "mean.csv"
    assert cli.main(["agree", str(file), "--out", str(tmp_path / "out"), "--consensus", str(out)]) == 0
    said = capsys.readouterr().out
    assert "anna - anna, reading 2: mean 1.00" in said
    assert "anna - ben: mean 8.00" in said
    assert "reading 2 - ben" not in said
    content = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert content["people"] == ["anna", "anna", "ben"]
    assert content["per_landmark"][0]["mean"] == 8
    first, *_ = csv.DictReader(out.read_text().splitlines())
    assert (float(first["hip_right_x"]), first["reader"]) == (14.0, "consensus")


def test_a_measurement_nobody_knows_is_said(readings, tmp_path, capsys):
    assert cli.main(["agree", *map(str, readings), "--measure", "--out", str(tmp_path / "out")]) in (0, 2)
    odd = [write(tmp_path / f"{n}.csv", ["1.png,9,9,1,1,1"], "nose_x,nose_y") for n in "ab"]
    assert cli.main(["agree", *map(str, odd), "--measure", "--out", str(tmp_path / "odd")]) == 2
    assert "no measurement is known" in capsys.readouterr().err


@pytest.mark.real_data
@pytest.mark.slow
def test_two_doctors_on_real_cephalograms(tmp_path):
    """Against the same figures computed from the two tables in three lines of numpy."""
    if not CEPH.is_dir():
        pytest.skip("the cephalograms are not at hand")
    tables = []
    for reader in ("senior", "junior"):
        rows = list(csv.DictReader((CEPH / f"val_{reader}.csv").read_text().splitlines()))
        names = [c for c in rows[0] if c.endswith("_x")]
        tables.append(np.array([[[float(r[c]), float(r[c[:-1] + "y"])] for c in names] for r in rows]))
    expected = np.hypot(*np.moveaxis((tables[1] - tables[0]) * [0.234261, 0.234375], -1, 0))
    files = [str(CEPH / f"val_{reader}.csv") for reader in ("senior", "junior")]
    assert cli.main(["agree", *files, "--spacing-mm", SPACING, "--out", str(tmp_path / "out")]) == 0
    whole = json.loads((tmp_path / "out" / "agreement.json").read_text())["pairs"][0]["mm"]
    assert whole["mean"] == pytest.approx(expected.mean())
    assert whole["mean"] == pytest.approx(2.36, abs=0.005)
    assert whole["sdr_percent"]["2"] == pytest.approx(100 * (expected < 2).mean())
