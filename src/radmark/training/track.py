"""Training told to an experiment tracker as well.

A tracker that fails is left alone: training goes on, and is not changed by it.
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from radmark.card import CARD_FILES
from radmark.checkpoint import model_sha256
from radmark.config import Config, to_tree
from radmark.core.errors import InputError
from radmark.training.loop import Row, Watch

_EXPERIMENT = "radmark"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing about a study goes to anybody but the tracker
    "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder needs no database
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is away must not hold training up for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def mlflow_uri(track: str) -> str:
    """The URI in "mlflow:URI".

    Raises:
        InputError: it is something else, or mlflow is not installed.
    """
    kind, _, uri = track.partition(":")
    if kind != "mlflow" or not uri:
        raise InputError(
            "there is no such tracker", value=track, remedy="Give mlflow:URI, such as mlflow:http://127.0.0.1:5000"
        )
    if find_spec("mlflow") is None:
        raise InputError(
            "this tracker needs mlflow, which is not installed",
            remedy='Install it with: pip install "radmark[tracking]"',
        )
    return uri


class Tracked:
    """A watch that passes everything on, and tells MLflow the settings, each row of the log, the model's sha256 and its card.

    Use it in a `with` block. A run of MLflow begins with the first epoch that ends, so only in the process that watches.

    Args:
        watch: who watches anyway.
        uri: of the tracking server, or a folder.
        run: the run's folder.
        config: of the run.
        warn: told once, in a sentence, when the tracker fails; from then on it is told nothing.
    """

    def __init__(self, watch: Watch, uri: str, run: Path, config: Config, warn: Callable[[str], None]) -> None:
        self._watch, self._uri, self._run, self._config, self._warn = watch, uri, run, config, warn
        self._client: Any = None
        self._id = ""
        self._failed = False

    def image(self, done: int, total: int) -> None:
        """An image was decoded."""
        self._watch.image(done, total)

    def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
        """A batch was trained."""
        self._watch.step(epoch, epochs, done, total)

    def epoch(self, row: Row) -> None:
        """An epoch ended."""
        self._watch.epoch(row)
        self._try(lambda: self._tell(row))

    def __enter__(self) -> "Tracked":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is None:
            return
        if kind is None:
            self._try(self._tell_model)
        status = "FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED"
        self._try(lambda: self._client.set_terminated(self._id, status))

    def _begun(self) -> Any:
        """The client, its run begun."""
        if self._client is None:
            self._begin()
        return self._client

    def _begin(self) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self._uri)
        experiment = client.get_experiment_by_name(_EXPERIMENT)
        number = client.create_experiment(_EXPERIMENT) if experiment is None else experiment.experiment_id
        self._id = client.create_run(number, run_name=self._run.name).info.run_id
        self._client = client
        tree = to_tree(self._config)
        params = [Param(f"{part}.{key}", str(value)) for part, of in tree.items() for key, value in of.items()]
        client.log_batch(self._id, params=params)

    def _tell(self, row: Row) -> None:
        client = self._begun()
        from mlflow.entities import Metric

        now, epoch = int(1000 * time.time()), int(row["epoch"] or 0)
        metrics = [
            Metric(key, float(value), now, epoch) for key, value in row.items() if value is not None and key != "epoch"
        ]
        client.log_batch(self._id, metrics=metrics)

    def _tell_model(self) -> None:
        self._client.set_tag(self._id, "model.sha256", model_sha256(self._run))
        for name in CARD_FILES:
            self._client.log_artifact(self._id, str(self._run / name))

    def _try(self, tell: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            tell()
        except Exception as error:  # whatever it is, it is not worth a training
            self._failed = True
            self._warn(f"the tracker failed ({type(error).__name__}) and is told nothing more; training goes on")
