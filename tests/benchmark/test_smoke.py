"""The shipped smoke grid, by the command a user types."""

import json
from pathlib import Path

import pytest

from radmark.cli import main


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_smoke_grid_runs_to_the_end_and_a_second_call_has_nothing_left_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "smoke", "--out", str(tmp_path / "bench")]) == 0
    content = json.loads((tmp_path / "bench" / "report" / "results.json").read_text(encoding="utf-8"))
    assert content["cells"]["done"] == content["cells"]["all"] == 22
    arms = {score["arm"] for score in content["scores"]}
    assert arms == {
        "baseline-weighted", "proposed", "proposed+ta", "heatmap-mse", "as-released-baseline", "as-released-ta",
    }  # fmt: skip
    assert {d["first"] for d in content["differences"]} == {"proposed"}
    assert not list((tmp_path / "bench" / "cells").rglob("model.safetensors"))  # keep_models = false
    capsys.readouterr()
    assert main(["benchmark", "smoke", "--out", str(tmp_path / "bench")]) == 0
    assert "done, about" not in capsys.readouterr().out
