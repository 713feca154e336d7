"""What an export refuses, and what an 8-bit file says of its shift."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from radmark import checkpoint as store
from radmark import cli
from radmark.checkpoint import Checkpoint
from radmark.config import Config, DataConfig, LabelConfig, ModelConfig
from radmark.core import Film, InputError, Scheme
from radmark.exported import ExportedPredictor
from radmark.exported.facts import IMAGE, SOURCE_SIZE
from radmark.infer import Predictor
from radmark.infer import export as exporting
from radmark.infer.export import Compared, PointNet, asked, compare, export, sample_films
from radmark.io import read_film
from radmark.letterbox import Letterboxed
from radmark.model import build


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    model = ModelConfig("resnet18", "none", (16, 8, 8, 8, 8), stride=2, levels=2)
    config = Config(data=DataConfig(size=64), model=model, labels=LabelConfig(loss="softmax"))
    net = build(model, 2).eval()
    return Checkpoint(config, Scheme.from_names(("a", "b")), net.state_dict(), epoch=0, radius_px=2, facts={})


def noise(width: int, height: int) -> Film:
    return Film.from_array(np.random.default_rng(2).random((height, width), dtype=np.float32))


def torchs(checkpoint: Checkpoint, off: float, sure_off: float = 0.0) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """An engine that gives torch's points, one of them moved to the right."""
    predictor = Predictor(checkpoint, checkpoint.net(), torch.device("cpu"))

    def run(image: np.ndarray, source_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert source_size.tolist() == [[64, 64]]  # a film as large as the grid: the letterbox does nothing
        marks = predictor(image[0, 0])
        assert marks.confidence is not None
        points, confidence = marks.points.copy(), marks.confidence.copy()
        points[1, 0] += off
        return points[None], confidence[None] + sure_off

    return run


def test_six_hundredths_of_a_pixel_are_refused_and_four_are_not(checkpoint: Checkpoint) -> None:
    gray = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    gray.flat[:2] = 0, 1
    films = [Letterboxed.of(Film.from_array(gray, "knee.png"), 64)]
    assert compare(checkpoint, torchs(checkpoint, 0.04), films).px == pytest.approx(np.array([[0, 0.04]]), abs=1e-6)
    compare(checkpoint, torchs(checkpoint, 0.04), films).refuse_unequal()
    with pytest.raises(InputError, match=r"b on knee\.png is 0\.060 px away"):
        compare(checkpoint, torchs(checkpoint, 0.06), films).refuse_unequal()
    with pytest.raises(InputError, match=r"confidence differs by up to 0\.002"):
        compare(checkpoint, torchs(checkpoint, 0.0, 0.002), films).refuse_unequal()
    with pytest.raises(InputError, match="inf px away"):
        compare(checkpoint, torchs(checkpoint, float("nan")), films).refuse_unequal()


def test_the_shift_is_told_as_mean_median_percentile_and_worst() -> None:
    shifted = Compared(["f"], [str(i) for i in range(5)], np.array([[0.0, 1.0, 2.0, 3.0, 14.0]]), np.zeros((1, 5)))
    told = shifted.shift(7)
    # By hand: the 95th percentile of five lies 0.8 of the way from the fourth to the fifth.
    assert (told["mean_px"], told["median_px"], told["max_px"]) == (4.0, 2.0, 14.0)
    assert told["p95_px"] == pytest.approx(3 + 0.8 * 11)
    assert (told["images"], told["calibration_images"]) == (1, 7)
    shifted.refuse_beyond(12)
    with pytest.raises(InputError, match=r"4\.00 px on average"):
        shifted.refuse_beyond(11)


def test_phantoms_of_the_schemes_own_kind_are_asked_upright_and_lying() -> None:
    knees = sample_films(Scheme.from_names(("a",), "knee-radiograph"), 64)
    assert {film.name.split()[1] for film in knees} == {"knee-radiograph"}
    assert {film.inset.source.width > film.inset.source.height for film in knees} == {True, False}
    others = sample_films(Scheme.from_names(("a",), "my-own"), 64)
    assert len({film.name.split()[1] for film in others}) == 6


@pytest.mark.parametrize(("width", "height"), [(64, 64), (97, 62), (62, 97), (41, 40), (300, 211)])
def test_the_graph_before_it_is_traced_gives_the_predictors_points(
    width: int, height: int, checkpoint: Checkpoint
) -> None:
    film = noise(width, height)  # odd and even remainders of the padding, either way
    expected = Predictor(checkpoint, checkpoint.net(), torch.device("cpu"))(film)
    image = asked(Letterboxed.of(film, 64))
    with torch.inference_mode():
        points, confidence = PointNet(checkpoint).eval()(
            torch.from_numpy(image[IMAGE]), torch.from_numpy(image[SOURCE_SIZE])
        )
    assert points[0].numpy() == pytest.approx(expected.points, abs=1e-3)
    assert confidence[0].numpy() == pytest.approx(expected.confidence, abs=1e-6)


@pytest.mark.slow
def test_a_graph_that_is_half_a_pixel_off_is_not_written(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = exporting.on_film
    monkeypatch.setattr(exporting, "on_film", lambda points, *sizes: right(points, *sizes) + 0.5)
    films = [Letterboxed.of(noise(97, 62), 64)]
    with pytest.raises(InputError, match="does not give torch's points"):
        export(checkpoint, tmp_path / "m.onnx", "onnx", films, name="x", sha256="0", licence="none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_torch_file_is_run_by_torch_alone_and_says_what_it_is(checkpoint: Checkpoint, tmp_path: Path) -> None:
    films = [Letterboxed.of(noise(97, 62), 64), Letterboxed.of(noise(40, 41), 64)]
    export(checkpoint, tmp_path / "m.pt2", "torch-export", films, name="x", sha256="0", licence="none")
    extra = {"radmark": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    assert json.loads(extra["radmark"])["size"] == 64

    def run(image: np.ndarray, source_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, confidence = program.module()(torch.from_numpy(image), torch.from_numpy(source_size))
        return points.detach().numpy(), confidence.detach().numpy()

    assert compare(checkpoint, run, films).px.max() < 0.05


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(8)
    for i in range(5):
        coarse = Image.fromarray(rng.random((7, 7), dtype=np.float32)).resize((90 + i, 120), Image.Resampling.BICUBIC)
        Image.fromarray((np.clip(np.asarray(coarse), 0, 1) * 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("format_", "suffix"), [("onnx", "onnx"), ("openvino", "xml")])
def test_an_8_bit_file_says_how_far_its_points_are_from_torchs(
    format_: str,
    suffix: str,
    checkpoint: Checkpoint,
    films: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.save(tmp_path / "run" / store.MODEL_FILE, checkpoint)
    out = tmp_path / f"m.{suffix}"
    words = ["export", tmp_path / "run", "--format", format_, "--out", out, "--int8", "--calibrate", films]
    assert cli.main([*map(str, words), "--max-shift-px", "1000"]) == 0
    exported = ExportedPredictor.load(out)
    told = exported.facts.int8
    assert told is not None
    # Films 0 and 4, every fourth, calibrated nothing; their points by hand from both predictors.
    by_torch = Predictor.load(tmp_path / "run")
    apart = [
        np.hypot(*(exported(film).points - by_torch(film).points).T)
        for film in (read_film(films / name) for name in ("0.png", "4.png"))
    ]
    assert told["mean_px"] == pytest.approx(np.mean(apart), abs=1e-3)
    assert told["max_px"] == pytest.approx(np.max(apart), abs=1e-3)
    assert (told["images"], told["calibration_images"]) == (2, 3)
    assert told["max_px"] > 1e-3  # it is in 8 bit: an untouched network would not shift a point at all
    assert "pre-processing" not in caplog.text  # the quantiser's advice is followed, so it gives none
    said = capsys.readouterr().out
    assert f"shift by {told['mean_px']:.2f} px on average" in said
    assert f"shifted by {told['mean_px']:.2f} px on average" in exported.facts.card()
    assert exported.facts.model_name.endswith("int8")
    if format_ == "onnx":
        in_8_bit = {entry.data_type for entry in onnx.load(out).graph.initializer if len(entry.dims) == 4}
        assert in_8_bit == {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
        # Nobody's 8 bit shift by 0 px; what was there stays.
        assert cli.main([*map(str, words), "--max-shift-px", "0", "--overwrite"]) == 2
        assert "nothing is written" in capsys.readouterr().err
        assert ExportedPredictor.load(out).facts.int8 == told


def test_the_command_line_refuses_what_cannot_be_meant(
    checkpoint: Checkpoint, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(tmp_path / "run" / store.MODEL_FILE, checkpoint)
    (tmp_path / "taken.onnx").write_bytes(b"mine")
    (tmp_path / "w.bin").write_bytes(b"mine")
    for words, reason in (
        (("--format", "onnx", "--out", tmp_path / "m.xml"), "ends in .onnx"),
        (("--format", "onnx", "--out", tmp_path / "taken.onnx"), "exists already"),
        (("--format", "openvino", "--out", tmp_path / "w.xml"), "w.bin: the file exists already"),
        (("--format", "onnx", "--out", tmp_path / "m.onnx", "--int8"), "go together"),
        (("--format", "onnx", "--out", tmp_path / "m.onnx", "--calibrate", films), "go together"),
        (("--format", "onnx", "--out", tmp_path / "m.onnx", "--int8", "--calibrate", films / "0.png"), "one image"),
        (("--format", "torch-export", "--out", tmp_path / "m.pt2", "--int8", "--calibrate", films), "no 8-bit file"),
    ):
        assert cli.main(["export", str(tmp_path / "run"), *map(str, words)]) == 2
        assert reason in capsys.readouterr().err
    assert cli.main(["export", str(tmp_path / "none"), "--format", "onnx", "--out", str(tmp_path / "m.onnx")]) == 2
    assert (tmp_path / "taken.onnx").read_bytes() == (tmp_path / "w.bin").read_bytes() == b"mine"
