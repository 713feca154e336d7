"""One cell: train, predict the scored images, write down what happened. `cell.json` is written last."""

import csv
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radmark.benchmark.films import Fold
from radmark.benchmark.grid import Grid, change
from radmark.benchmark.plan import Cell
from radmark.checkpoint import MODEL_FILE, TRAINING_FILE, Checkpoint, load_run, versions
from radmark.config import Config, from_tree, to_tree
from radmark.core.dataset import Case, Dataset
from radmark.core.errors import InputError
from radmark.core.frame import Inset
from radmark.core.prediction import Prediction
from radmark.core.radiograph import Radiograph
from radmark.infer.predictor import locate_by
from radmark.io import write_predictions_csv
from radmark.io.atomic import write_text
from radmark.letterbox import letterbox_pixels, to_prediction
from radmark.targets.decode import Decoder
from radmark.targets.motion import rotate
from radmark.train.loop import Watch, train

ROTATE_DEG = 20.0
ROTATE_PROBABILITY = 0.5
"""How the released programs turn the images they score."""


@dataclass(frozen=True)
class Tuned:
    """A setting the inner validation part chose: its key, the value, and each candidate's validation error in pixels."""

    key: str
    value: Any
    errors_px: Mapping[str, float]


def run_cell(
    grid: Grid, cell: Cell, fold: Fold, out: Path, read: Callable[[Case], Radiograph], watch: Watch, tuner: Cell | None
) -> None:
    """Do a cell; what an interrupted run left in its folder is gone on with.

    Args:
        grid: whose cell it is.
        cell: which.
        fold: its films.
        out: the benchmark's folder.
        read: gives a case's radiograph.
        watch: told how training goes.
        tuner: the finished cell whose chosen setting this one takes over, see `plan.tuned_by`.

    Raises:
        InputError: something makes training impossible or dishonest; above all an image that is both trained and scored.
    """
    started = time.monotonic()
    folder = cell.folder(out)
    dataset = fold.few(cell.n_training, cell.seed)
    tuned = None if tuner is None else _tuned(json.loads(tuner.result(out).read_text(encoding="utf-8")))
    if cell.arms[0].tune and tuned is None:
        tuned, run, checkpoint = _tune(grid, cell, fold, dataset, folder, read, watch)
    else:
        run = folder / "run"
        checkpoint = _trained(config_of(grid, cell, fold, tuned), dataset, run, read, watch)
    _predict(checkpoint, cell, fold, out, read)
    facts = checkpoint.facts
    record = {
        "key": cell.key,
        "arms": [arm.name for arm in cell.arms],
        "settings": to_tree(checkpoint.config),
        "data": fold.fingerprint,
        "tuned": None if tuned is None else asdict(tuned),
        "n_training_images": len(facts["training_images"]),
        "n_validation_images": len(facts["validation_images"]),
        "epoch": checkpoint.epoch,
        "radius_px": checkpoint.radius_px,
        "history": history(run),
        "seconds": round(time.monotonic() - started, 1),
        "versions": versions(),
    }
    write_text(cell.result(out), json.dumps(record, indent=1) + "\n")
    if not grid.keep_models:
        for model in folder.glob(f"run*/{MODEL_FILE}"):
            model.unlink()


def config_of(grid: Grid, cell: Cell, fold: Fold, tuned: Tuned | None) -> Config:
    """The whole config a cell trains with: fewer images are seen more often, so that the budget stays the same."""
    config = grid.config_of(cell.arms[0], changes=None if tuned is None else change(tuned.key, tuned.value))
    epochs = config.train.epochs
    if cell.n_training is not None:
        epochs = round(epochs * min(grid.few_images.most_epochs, max(1.0, len(fold.train) / cell.n_training)))
    return replace(config, train=replace(config.train, seed=cell.seed, epochs=epochs))


def check_done(grid: Grid, cell: Cell, fold: Fold, out: Path) -> None:
    """Refuse a finished cell that another grid or other films made.

    Raises:
        InputError: its settings or its data are not those the grid asks for now.
    """
    file = cell.result(out)
    record = json.loads(file.read_text(encoding="utf-8"))
    # A setting that radmark did not have when the cell was run stood as its default stands.
    ran_with = from_tree(record["settings"], str(file))
    wanted = config_of(grid, cell, fold, _tuned(record))
    for what, ran, asked in (("settings", ran_with, wanted), ("films", record["data"], fold.fingerprint)):
        if ran != asked:
            raise InputError(
                f"this cell was run with other {what}",
                file=file,
                remedy="Give another --out, or remove the cell's folder to run it again",
            )


def history(run: Path) -> list[dict[str, float | None]]:
    """The rows of a run's log."""
    with (run / "log.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(v) if v else None for key, v in row.items()} for row in csv.DictReader(file)]


def _tuned(record: Mapping[str, Any]) -> Tuned | None:
    return None if record["tuned"] is None else Tuned(**record["tuned"])


def _tune(
    grid: Grid, cell: Cell, fold: Fold, dataset: Dataset, folder: Path, read: Callable[[Case], Radiograph], watch: Watch
) -> tuple[Tuned, Path, Checkpoint]:
    """Train with each candidate; the one with the least error on the inner validation part stays."""
    ((key, values),) = cell.arms[0].tune.items()
    tried: list[tuple[float, Any, Path, Checkpoint]] = []
    for value in values:
        run = folder / f"run-{value}"
        config = config_of(grid, cell, fold, Tuned(key, value, {}))
        checkpoint = _trained(config, dataset, run, read, watch)
        error = history(run)[checkpoint.epoch]["val_mean_radial_error_px"]
        if error is None:
            raise InputError(
                f"arm {cell.arms[0].name} cannot be tuned: its inner validation part holds no annotated landmark",
                remedy="Give more annotated images or a larger validation_fraction",
            )
        tried.append((error, value, run, checkpoint))
    _, value, run, checkpoint = min(tried, key=lambda t: t[0])
    return Tuned(key, value, {str(v): e for e, v, _, _ in tried}), run, checkpoint


def _trained(
    config: Config, dataset: Dataset, run: Path, read: Callable[[Case], Radiograph], watch: Watch
) -> Checkpoint:
    """The model of a run that is finished, gone on with, or begun."""
    if (run / TRAINING_FILE).is_file():
        return train(dataset, config, run, read, watch, resume=True)
    if (run / MODEL_FILE).is_file() and len(history(run)) == config.train.epochs:
        checkpoint = load_run(run)
        seen = {*checkpoint.facts["training_images"], *checkpoint.facts["validation_images"]}
        if checkpoint.config != config or seen != {case.name for case in dataset.cases}:
            raise InputError(
                "this run was trained with other settings or on other images",
                file=run,
                remedy="Give another --out, or remove the run's folder to train it again",
            )
        return checkpoint
    # A run that stopped before its first epoch ended holds nothing worth keeping.
    return train(dataset, config, run, read, watch, overwrite=True)


def _predict(checkpoint: Checkpoint, cell: Cell, fold: Fold, out: Path, read: Callable[[Case], Radiograph]) -> None:
    """Each arm's points on the scored images, by its own decoder and by argmax."""
    facts = checkpoint.facts
    trained_on = {h: name for part in ("training", "validation") for name, h in facts[f"{part}_images"].items()}
    net = checkpoint.net().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    config = checkpoint.config
    decoders: dict[str, Decoder] = {"own": config.decode.decoder, "argmax": "argmax"}
    placed: dict[tuple[str, str], list[Prediction]] = {(a.name, d): [] for a in cell.arms for d in decoders}
    for i, case in enumerate(fold.test.cases):
        radiograph = read(case)
        if radiograph.pixel_hash in trained_on:
            raise InputError(
                f"{case.name} is scored, and was trained on as {trained_on[radiograph.pixel_hash]}: the same pixels",
                file=case.image,
                remedy="Remove one of the two, or give both the same patient_id",
            )
        inset = Inset.letterbox(radiograph.frame, config.data.size)
        gray = torch.from_numpy(letterbox_pixels(radiograph, inset).copy())[None, None]
        for arm in cell.arms:
            # "rotated": the picture turns, the points it is scored against do not.
            seen = _turned(gray, cell.seed, i) if arm.scored_on == "rotated" else gray
            located = locate_by(net, seen, config, checkpoint.radius_px, list(decoders.values()))
            for decoder, (points, confidence) in zip(decoders, located, strict=True):
                prediction = to_prediction(
                    case.name, checkpoint.scheme, inset, points[0].numpy(), confidence[0].numpy()
                )
                placed[arm.name, decoder].append(prediction)
    for arm in cell.arms:
        for decoder in decoders:
            write_predictions_csv(cell.predictions(out, arm, decoder), placed[arm.name, decoder])


def _turned(gray: Tensor, seed: int, image: int) -> Tensor:
    """(1, 1, S, S) -> the same, turned as the released programs turn a scored image; `image` is its number."""
    u, v = np.random.default_rng([seed, image]).random(2)
    angle = (2 * u - 1) * ROTATE_DEG if v < ROTATE_PROBABILITY else 0.0
    return rotate(gray, torch.zeros(1, 1, 2), torch.tensor([angle], dtype=torch.float32))[0]
