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
from radmark.exported.facts import IMAGE, SOURCE_SIZE
from radmark.infer import Predictor
from radmark.infer.export import SUFFIX, Format, asked, export
from radmark.io import read_film
from radmark.letterbox import Letterboxed

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
RUNNER = """
import runpy, sys
runpy.run_path("points.py")
assert not {"radmark", "torch", "onnx"} & set(sys.modules), "the script should need none of these"
"""

FIVE_LOOKS = ("softmax", 2, 4, "centroid", 5, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "format_"),
    [
        (FIVE_LOOKS, "onnx"),
        (FIVE_LOOKS, "openvino"),
        (("softmax", 1, 3, "argmax", 1, 64), "onnx"),
        (("cross-entropy", 1, 1, "centroid", 1, 96), "openvino"),
        (("cross-entropy", 4, 1, "argmax", 2, 96), "onnx"),
        (("mse", 4, 1, "centroid", 1, 64), "onnx"),
    ],
    ids=str,
)
def test_a_script_that_knows_no_radmark_gets_torchs_points(
    kind: tuple[object, ...], format_: Format, films: list[Path], tiny: Callable[..., Checkpoint], tmp_path: Path
) -> None:
    checkpoint = tiny(*kind)  # loss, stride, levels, decoder, views, size
    model = tmp_path / f"model{SUFFIX[format_]}"
    ready = [Letterboxed.of(read_film(film), checkpoint.config.data.size) for film in films]
    export(checkpoint, model, format_, ready[:2], name="tiny", sha256="0" * 64, licence="none")
    predictor = Predictor(checkpoint, checkpoint.net(), torch.device("cpu"))
    expected = [predictor(film) for film in films]

    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "points.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-c", RUNNER, model, *films]
    # An environment without PYTHONPATH, in a folder of its own.
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"}
    )
    assert done.returncode == 0, done.stderr
    for line, by_torch in zip(done.stdout.splitlines(), expected, strict=True):
        said = json.loads(line)
        assert tuple(said["points"]) == checkpoint.scheme.names
        assert np.array(list(said["points"].values())) == pytest.approx(by_torch.points, abs=0.05)
        assert said["confidence"] == pytest.approx(by_torch.confidence, abs=1e-3)

    # Films of several sizes go through at once.
    points, confidence = ExportedPredictor.load(model).engine(
        *(np.concatenate([asked(film)[key] for film in ready]) for key in (IMAGE, SOURCE_SIZE))
    )
    for i, by_torch in enumerate(expected):
        assert points[i] == pytest.approx(by_torch.points, abs=0.05)
        assert confidence[i] == pytest.approx(by_torch.confidence, abs=1e-3)
