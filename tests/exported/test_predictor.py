"""An exported file at work, and every file that is not one."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pydicom
import pytest

import dicom_files
from radmark import RESEARCH_USE, __version__, cli
from radmark.batch.pipeline import predict_each
from radmark.checkpoint import model_sha256
from radmark.core import Film, InputError, marks
from radmark.exported import ExportedPredictor
from radmark.infer import Predictor
from radmark.pacs import listener
from radmark.pacs.listener import Model
from radmark.pacs.spool import Item

NOT_INSTALLED = """
import sys
NAMES = {"torch", "torchvision", "segmentation_models_pytorch", "lightning_fabric", "safetensors", "onnx", "openvino"}
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
"""
pytestmark = pytest.mark.slow  # the files they look at take some seconds to make


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_it_places_what_the_run_places(suffix: str, exported: dict[str, Path], run: Path, films: list[Path]) -> None:
    ours, theirs = ExportedPredictor.load(exported[suffix], threads=1), Predictor.load(run)
    assert ours.scheme == theirs.scheme
    for film in films:
        a, b = ours(film), theirs(film)
        assert a.film == b.film == film.name
        assert a.frame == b.frame
        assert a.states.tolist() == b.states.tolist()
        assert a.points == pytest.approx(b.points, abs=0.05)
        assert a.confidence == pytest.approx(b.confidence, abs=1e-3)


def test_the_author_is_the_run_by_name_and_this_very_file_by_sha256(exported: dict[str, Path]) -> None:
    predictor = ExportedPredictor.load(exported[".onnx"])
    assert predictor.author == marks.Model(hashlib.sha256(exported[".onnx"].read_bytes()).hexdigest(), "hips-1")
    assert len(repr(predictor).splitlines()) == 1


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_several_threads_at_once_get_the_points_of_their_own_film(
    suffix: str, exported: dict[str, Path], films: list[Path]
) -> None:
    alone = ExportedPredictor.load(exported[suffix], threads=1)
    expected = [alone(film).points for film in films]
    predictor = ExportedPredictor.load(exported[suffix], threads=1, at_once=3)
    outcomes = list(predict_each([Film(film.name, path=film) for film in films * 10], predictor, workers=3))
    for outcome, points in zip(outcomes, expected * 10, strict=True):
        assert outcome.found().points == pytest.approx(points, abs=1e-3)


def test_a_landmark_it_does_not_believe_in_is_stated_absent_when_asked(
    exported: dict[str, Path], films: list[Path]
) -> None:
    prediction = ExportedPredictor.load(exported[".onnx"], absent_below=1.0)(films[0])
    assert np.isnan(prediction.points).all()


def test_the_file_says_what_it_is_and_nothing_of_the_training_films(exported: dict[str, Path], run: Path) -> None:
    model = onnx.load(exported[".onnx"])
    told = {entry.key: entry.value for entry in model.metadata_props}
    facts = json.loads(told["radmark"])
    assert facts["size"] == 64
    assert [one["name"] for one in facts["scheme"]["landmarks"]] == ["hip_right", "hip_left", "sacrum"]
    assert facts["scheme"]["pairs"] == [["hip_right", "hip_left"]]
    assert facts["model"]["name"] == "hips-1"
    assert facts["model"]["sha256"] == model_sha256(run)
    assert facts["model"]["training_images"] == 2
    assert facts["versions"]["radmark"] == __version__
    assert facts["versions"]["onnx"] == onnx.__version__
    assert facts["licence"] == told["license"] == "CC-BY-4.0"
    assert RESEARCH_USE == facts["notice"] == told["notice"]
    assert RESEARCH_USE in model.doc_string
    assert facts["parity"]["images"] == 10  # six phantoms and the four films of --check
    assert 0 <= facts["parity"]["max_px"] < 0.05
    for file in (*exported.values(), exported[".xml"].with_suffix(".bin")):
        assert b"miller" not in file.read_bytes()


def test_radmark_predict_does_without_torch(
    exported: dict[str, Path], run: Path, films: list[Path], tmp_path: Path
) -> None:
    source = str(Path(cli.__file__).parents[2])
    program = NOT_INSTALLED + (
        "from radmark.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "assert not NAMES & set(sys.modules), NAMES & set(sys.modules)\n"
        "sys.exit(code)"
    )
    command = [
        sys.executable,
        "-c",
        program,
        "predict",
        exported[".onnx"],
        films[0].parent,
        "--out",
        tmp_path / "a.csv",
    ]
    environment = os.environ | {"PYTHONPATH": source}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert cli.main(["predict", str(run), str(films[0].parent), "--out", str(tmp_path / "b.csv")]) == 0
    a, b = (
        list(csv.DictReader((tmp_path / name).read_text(encoding="utf-8").splitlines())) for name in ("a.csv", "b.csv")
    )
    assert [row["image_name"] for row in a] == sorted(film.name for film in films)
    for mine, theirs in zip(a, b, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine:
            if key.endswith(("_x", "_y")):
                assert float(mine[key]) == pytest.approx(float(theirs[key]), abs=0.05)


def test_a_listener_reports_an_exported_models_points_without_torch(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"{NOT_INSTALLED}\nfrom radmark.pacs.worker import main\nmain()"
    monkeypatch.setattr(listener, "PROGRAM", ("-c", program))
    pixels = np.random.default_rng(4).integers(0, 4096, (90, 70)).astype(np.uint16)
    image = dicom_files.film(tmp_path / "image.dcm", pixels)
    item = Item(tmp_path)
    with Model(exported[".onnx"]) as model:
        assert model.sha256 == hashlib.sha256(exported[".onnx"].read_bytes()).hexdigest()
        assert model.report(item, None).model_sha256 == model.sha256
    expected = ExportedPredictor.load(exported[".onnx"])(image).points
    graphics = [e for e in pydicom.dcmread(item.report).iterall() if e.keyword == "GraphicData"]
    found = [[float(x) for x in graphic.value] for graphic in graphics]
    # DICOM counts from the corner of the first pixel, we from its centre (PS3.3 C.18.6).
    assert sorted(found) == pytest.approx(np.array(sorted((expected + 0.5).tolist())), abs=1e-3)


def test_openvino_is_kept_from_telling_its_maker(exported: dict[str, Path]) -> None:
    program = (
        "import sys; from pathlib import Path; from radmark.exported import ExportedPredictor\n"
        f"ExportedPredictor.load(Path({str(exported['.xml'])!r}))\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub", done.stderr


# ---- files that are none ------------------------------------------------------------------------------------------------


def refused(file: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        ExportedPredictor.load(file)
    assert str(file.with_suffix("")) in str(caught.value)  # it says which file


def edited(source: Path, to: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    model = onnx.load(source)
    change(model)
    onnx.save(model, to)
    return to


def retold(source: Path, to: Path, **changes: object) -> Path:
    """The ONNX file with other facts; None leaves one out."""

    def change(model: onnx.ModelProto) -> None:
        (entry,) = (entry for entry in model.metadata_props if entry.key == "radmark")
        facts = json.loads(entry.value) | changes
        left_out = {key for key, value in changes.items() if value is None}
        entry.value = json.dumps({key: value for key, value in facts.items() if key not in left_out})

    return edited(source, to, change)


def test_files_that_are_no_onnx_are_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    whole = exported[".onnx"].read_bytes()
    file = tmp_path / "m.onnx"
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:-1], b"\x80\x04\x95" + os.urandom(64)):
        file.write_bytes(content)
        refused(file, "damaged|not exported by radmark")
    refused(tmp_path / "none.onnx", "no such exported model")
    refused(tmp_path / "model.pt2", "not a file radmark can predict with")


def test_somebody_elses_onnx_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "theirs",
        [value("x", onnx.TensorProto.FLOAT, [1])],
        [value("y", onnx.TensorProto.FLOAT, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "theirs.onnx")
    refused(tmp_path / "theirs.onnx", "not exported by radmark")


def test_an_onnx_with_facts_that_do_not_fit_is_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    source, file = exported[".onnx"], tmp_path / "m.onnx"
    scheme = json.loads(ExportedPredictor.load(source).facts.to_json())["scheme"]
    two = scheme | {"landmarks": scheme["landmarks"][1:], "pairs": []}
    for changes, words in (
        ({"format": 2}, "format 2"),
        ({"format": None}, "damaged"),
        ({"size": 96}, "not what the file says"),
        ({"size": "64"}, "damaged"),
        ({"size": -64}, "damaged"),
        ({"scheme": two}, "not what the file says"),
        ({"scheme": [1]}, "damaged"),
        ({"scheme": scheme | {"pairs": [["a", "b"]]}}, "pair names a landmark"),
        ({"model": 3}, "damaged"),
        ({"int8": "yes"}, "damaged"),
        ({"versions": None}, "damaged"),
    ):
        refused(retold(source, file, **changes), words)
    for text in ("", "{", "[]", "null", "[" * 100_000):

        def change(model: onnx.ModelProto, text: str = text) -> None:
            model.metadata_props[0].value = text

        refused(edited(source, file, change), "damaged")
    refused(edited(source, file, lambda model: model.metadata_props.pop(0)), "not exported by radmark")


def test_openvino_files_that_do_not_belong_together_are_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    xml, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    for file in (xml, weights):
        shutil.copy(exported[".xml"].with_suffix(file.suffix), file)
    ExportedPredictor.load(xml)
    whole, text = weights.read_bytes(), xml.read_text(encoding="utf-8")
    for content in (whole[:1000], whole[:-4], bytes([whole[0] ^ 1]) + whole[1:], b""):
        weights.write_bytes(content)
        refused(xml, "damaged")
    weights.unlink()
    refused(xml, "not beside")
    weights.write_bytes(whole)
    for content in (text[: len(text) // 2], "", "<net/>", "hello"):
        xml.write_text(content, encoding="utf-8")
        refused(xml, "damaged")
    xml.write_text(text.replace("<radmark ", "<other "), encoding="utf-8")
    refused(xml, "not exported by radmark")


def test_the_command_line_says_so_in_a_line(
    tmp_path: Path, films: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.onnx").write_text("hello", encoding="utf-8")
    assert cli.main(["predict", str(tmp_path / "m.onnx"), str(films[0]), "--out", str(tmp_path / "p.csv")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("radmark: ")
    assert "not an ONNX model" in said
    assert not (tmp_path / "p.csv").exists()
