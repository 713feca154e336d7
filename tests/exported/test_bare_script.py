"""The script of docs/export.md, which knows nothing of radmark, against torch."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from radmark.checkpoint import Checkpoint
from radmark.exported import ExportedPredictor
from radmark.infer import Predictor
from radmark.infer.export import Film, export
from radmark.io import read_image

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
Answers = tuple[dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]], dict[tuple[str, str], Path]]

CASES = {
    "softmax, four levels, stride 2, five looks": ("softmax", 2, 4, "centroid", 5, 64),
    "softmax, two levels, stride 1, argmax": ("softmax", 1, 2, "argmax", 1, 64),
    "softmax, three levels, stride 4, two looks": ("softmax", 4, 3, "centroid", 2, 96),
    "cross-entropy, stride 1": ("cross-entropy", 1, 1, "centroid", 1, 96),
    "cross-entropy, stride 2, argmax": ("cross-entropy", 2, 1, "argmax", 1, 64),
    "heatmaps, stride 4": ("mse", 4, 1, "centroid", 1, 64),
}
RUNS = [(case, "onnx") for case in CASES] + [(case, "openvino") for case in list(CASES)[:2]]


def by_torch(checkpoint: Checkpoint, film: Path) -> tuple[np.ndarray, np.ndarray]:
    predictor = Predictor(checkpoint, checkpoint.net(), torch.device("cpu"))
    prediction = predictor(film.name, read_image(film))
    return prediction.landmarks.points, prediction.confidence


@pytest.fixture(scope="module")
def answers(films: list[Path], tiny: Callable[..., Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What the script says, by case, format and film, and the files it was given, by case and format."""
    folder = tmp_path_factory.mktemp("bare")
    script = folder / "points.py"
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    script.write_text(code, encoding="utf-8")
    # One process for all cases: starting one takes longer than all it has to do.
    runner = folder / "all.py"
    runner.write_text(
        "import runpy, sys\n"
        "films = sys.argv[1].split('|')\n"
        "for model in sys.argv[2:]:\n"
        "    sys.argv[1:] = [model, *films]\n"
        "    runpy.run_path('points.py')\n"
        "assert not {'radmark', 'torch', 'onnx'} & set(sys.modules), 'the script should need none of these'\n",
        encoding="utf-8",
    )
    found: dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]] = {}
    files: dict[tuple[str, str], Path] = {}
    for i, (case, format_) in enumerate(RUNS):
        checkpoint = tiny(*CASES[case])
        files[case, format_] = folder / f"{i}.{'onnx' if format_ == 'onnx' else 'xml'}"
        sample = [Film.of(film.name, read_image(film), checkpoint.config.data.size) for film in films[:2]]
        export(checkpoint, files[case, format_], format_, sample, name="tiny", sha256="0" * 64, licence="none")  # pyright: ignore[reportArgumentType]
    command = [sys.executable, str(runner), "|".join(map(str, films)), *map(str, files.values())]
    # An environment without PYTHONPATH, in a folder of its own.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    for case, format_ in RUNS:
        for film in films:
            line = json.loads(next(lines))
            assert tuple(line["points"]) == ("hip_right", "hip_left", "sacrum")
            found[case, format_, film.name] = np.array(list(line["points"].values())), np.array(line["confidence"])
    return found, files


@pytest.mark.slow
@pytest.mark.parametrize(("case", "format_"), RUNS)
def test_a_script_that_knows_no_radmark_gets_torchs_points(
    case: str, format_: str, answers: Answers, films: list[Path], tiny: Callable[..., Checkpoint]
) -> None:
    checkpoint = tiny(*CASES[case])
    for film in films:
        points, confidence = answers[0][case, format_, film.name]
        expected, sure = by_torch(checkpoint, film)
        assert np.abs(points - expected).max() < 0.05, film
        assert np.abs(confidence - sure).max() < 1e-3, film


@pytest.mark.slow
@pytest.mark.parametrize(("case", "format_"), [RUNS[0], RUNS[2], RUNS[-2]])
def test_films_of_several_sizes_go_through_at_once(
    case: str, format_: str, answers: Answers, films: list[Path], tiny: Callable[..., Checkpoint]
) -> None:
    checkpoint = tiny(*CASES[case])
    ready = [Film.of(film.name, read_image(film), checkpoint.config.data.size) for film in films]
    points, confidence = ExportedPredictor.load(answers[1][case, format_]).engine(
        np.concatenate([film.gray for film in ready]), np.concatenate([film.source_size for film in ready])
    )
    for i, film in enumerate(films):
        expected, sure = by_torch(checkpoint, film)
        assert np.abs(points[i] - expected).max() < 0.05
        assert np.abs(confidence[i] - sure).max() < 1e-3
