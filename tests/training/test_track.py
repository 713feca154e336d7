"""A tracker is told what happened, and what happens to the tracker does not happen to the training."""

import hashlib
from pathlib import Path

import mlflow.tracking
import pytest
import torch

from radmark.config import Config
from radmark.core import InputError, Study
from radmark.training.loop import train
from radmark.training.track import Tracked, mlflow_uri
from watching import Silent


@pytest.mark.slow
def test_mlflow_holds_settings_rows_sha256_and_card_and_training_is_the_same(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    uri, said = (tmp_path / "mlruns").as_uri(), list[str]()
    with Tracked(Silent(), uri, tmp_path / "run", small, said.append) as watch:
        kept = train(squares, small, tmp_path / "run", watch)
    assert said == []
    client = mlflow.tracking.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("radmark")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert found.data.params["train.epochs"] == "3"
    losses = client.get_metric_history(found.info.run_id, "train_loss")
    rows = kept.facts["history"]
    assert [(m.step, m.value) for m in losses] == [(row["epoch"], row["train_loss"]) for row in rows]
    sha256 = hashlib.sha256((tmp_path / "run/model.safetensors").read_bytes()).hexdigest()
    assert found.data.tags["model.sha256"] == sha256
    assert {file.path for file in client.list_artifacts(found.info.run_id)} == {"card.md", "card.json"}

    untracked = train(squares, small, tmp_path / "untracked", Silent())
    assert all(torch.equal(tensor, kept.weights[name]) for name, tensor in untracked.weights.items())


def test_a_tracker_that_fails_is_told_nothing_more_and_warns_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def broken(tracking_uri: str) -> None:
        calls.append(tracking_uri)
        raise ConnectionError("no such server, user:secret@host")

    monkeypatch.setattr(mlflow.tracking, "MlflowClient", broken)
    said: list[str] = []
    silent = Silent()
    with Tracked(silent, "http://127.0.0.1:9", tmp_path, Config(), said.append) as watch:
        for epoch in range(3):
            watch.epoch({"epoch": epoch, "train_loss": 1.0})
    assert len(silent.rows) == 3
    assert (len(calls), len(said)) == (1, 1)
    assert "secret" not in said[0]


@pytest.mark.parametrize("track", ["mlflow", "mlflow:", "wandb:x", ""])
def test_an_unknown_tracker_is_refused(track: str) -> None:
    with pytest.raises(InputError, match="no such tracker"):
        mlflow_uri(track)
