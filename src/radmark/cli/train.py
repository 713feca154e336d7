"""`radmark train`."""

import contextlib
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from radmark.cli.common import Annotations, need_torch
from radmark.config import Config

DEFAULT_RECIPE = "cpu"


@dataclass(frozen=True)
class Train:
    """Train a landmark detector. RUN then holds the model, the whole config, the split, the log and the curves."""

    data: Annotations

    out: Path
    """The run's folder, RUN."""

    recipe: str = DEFAULT_RECIPE
    """A shipped recipe's name or a TOML file; the settings below are its own unless a flag changes them."""

    resume: bool = False
    """Go on with an interrupted run, from the end of its last whole epoch."""

    overwrite: bool = False
    """Replace what is in --out."""

    track: str | None = None
    """Also tell an experiment tracker: mlflow:URI, a tracking server or a folder. TensorBoard's log is always written."""

    config: Config = dataclasses.field(default_factory=Config)

    def run(self) -> int:
        """Train, and say where the model is."""
        from radmark.console import TrainingProgress, epoch_words, out

        study = self.data.study()
        out.print(f"{len(study)} radiographs, {len(study.scheme)} landmarks ({study.scheme.name})")
        need_torch()
        from radmark.checkpoint import MODEL_FILE, TRAINING_FILE
        from radmark.training.loop import Watch, train
        from radmark.training.track import Tracked, mlflow_uri

        uri = None if self.track is None else mlflow_uri(self.track)
        model = self.out / MODEL_FILE
        try:
            with contextlib.ExitStack() as stack:
                watch: Watch = stack.enter_context(TrainingProgress())
                if uri is not None:
                    watch = stack.enter_context(Tracked(watch, uri, self.out, self.config, _warn))
                kept = train(study, self.config, self.out, watch, resume=self.resume, overwrite=self.overwrite)
        except KeyboardInterrupt:
            resumable = (self.out / TRAINING_FILE).is_file()
            left = f"{model} is the model of the last whole epoch; --resume goes on" if resumable else "no model yet"
            print(f"\nStopped: {left}.", file=sys.stderr)
            return 130
        out.print(f"kept {epoch_words(kept.facts['history'][kept.epoch])}")
        out.print(f"{model}  (curves: {self.out / 'curves.png'}, log: {self.out / 'log.csv'})")
        return 0


def _warn(words: str) -> None:
    from radmark.console import err

    err.print(f"Warning: {words}")
