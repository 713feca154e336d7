"""One cell: train, predict the scored images, write down what happened. `cell.json` is written last."""

import csv
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radmark.benchmark.films import Fold
from radmark.benchmark.grid import Grid, changes
from radmark.benchmark.plan import Cell
from radmark.checkpoint import MODEL_FILE, TRAINING_FILE, Checkpoint, load_run, versions
from radmark.config import Config, from_tree, to_tree
from radmark.core.errors import InputError
from radmark.core.marks import Marks
from radmark.core.study import Study
from radmark.infer.predictor import locate_by
from radmark.io import write_predictions_csv
from radmark.io.atomic import write_text
from radmark.letterbox import Letterboxed
from radmark.targets.decode import Decoder
from radmark.targets.motion import rotate
from radmark.training.loop import Watch, split_for_training, train

ROTATE_DEG = 20.0
ROTATE_PROBABILITY = 0.5
"""How the released programs turn the images they score."""


VALIDATIONS = 30
"""About how often a run whose steps are held looks at its validation part."""


@dataclass(frozen=True)
class Tuned:
    """A setting the inner validation part chose: its key, the value, and each candidate's validation error in pixels."""

    key: str
    value: Any
    errors_px: Mapping[str, float]


def run_cell(grid: Grid, cell: Cell, fold: Fold, out: Path, watch: Watch, tuner: Cell | None) -> None:
    """Do a cell; what an interrupted run left in its folder is gone on with.

    Args:
        grid: whose cell it is.
        cell: which.
        fold: its films.
        out: the benchmark's folder.
        watch: told how training goes.
        tuner: the finished cell whose chosen settings this one takes over, see `plan.tuned_by`.

    Raises:
        InputError: something makes training impossible or dishonest; above all an image that is both trained and scored.
    """
    started = time.monotonic()
    folder = cell.folder(out)
    dataset = films_of(grid, cell, fold)
    run = folder / "run"
    tuned: tuple[Tuned, ...] = ()
    if tuner is not None:
        tuned = chosen(json.loads(tuner.result(out).read_text(encoding="utf-8")))
    elif grid.tuned(cell.arms[0]):
        tuned, best = _tune(grid, cell, fold, dataset, folder, watch)
        run = run if grid.tune_steps is not None else best
    checkpoint = _trained(config_of(grid, cell, dataset, fold, _values(tuned)), dataset, run, watch)
    _predict(checkpoint, cell, fold, out)
    facts = checkpoint.facts
    record = {
        "key": cell.key,
        "arms": [arm.name for arm in cell.arms],
        "settings": to_tree(checkpoint.config),
        "data": fold.fingerprint,
        "tuned": [asdict(t) for t in tuned],
        "n_training_images": len(facts["training_images"]),
        "n_validation_images": len(facts["validation_images"]),
        "epoch": checkpoint.epoch,
        "radius_px": checkpoint.radius_px,
        "history": history(run),
        "seconds": round(time.monotonic() - started, 1),
        "versions": versions(),
    }
    write_text(cell.result(out), json.dumps(record, indent=1) + "\n")
    for model in folder.glob(f"run*/{MODEL_FILE}"):
        # One that was trained only to choose a setting is of no use to anybody.
        if not grid.keep_models or (grid.tune_steps is not None and model.parent != run):
            model.unlink()


def films_of(grid: Grid, cell: Cell, fold: Fold) -> Study:
    """The films a cell trains on, its validation part included.

    Where steps are held and there are films besides those that teach, those others are watched. Otherwise training draws its
    inner validation part itself.
    """
    if grid.steps is None or cell.n_training is None:
        return fold.few(cell.n_training, cell.seed)
    return fold.watched(cell.n_training, cell.seed, grid.watch_images)


def config_of(
    grid: Grid, cell: Cell, dataset: Study, fold: Fold, values: Mapping[str, Any], *, steps: int | None = None
) -> Config:
    """The whole config a cell trains with: fewer images are seen more often, so that the budget stays the same.

    Args:
        grid: whose cell it is.
        cell: which.
        dataset: its films, see `films_of`.
        fold: where they are from.
        values: the chosen settings, "section.key" -> value.
        steps: instead of the grid's.
    """
    config = grid.config_of(cell.arms[0], changes=changes(values))
    config = replace(config, train=replace(config.train, seed=cell.seed))
    if grid.steps is not None:
        taught = len(split_for_training(dataset, config).parts["train"])
        epochs = math.ceil((steps or grid.steps) / math.ceil(taught / config.train.batch_size))
        every = math.ceil(epochs / VALIDATIONS)
        return replace(config, train=replace(config.train, epochs=epochs, validate_every=every))
    if cell.n_training is None:
        return config
    times = min(grid.few_images.most_epochs, max(1.0, len(fold.train) / cell.n_training))
    return replace(config, train=replace(config.train, epochs=round(config.train.epochs * times)))


def check_done(grid: Grid, cell: Cell, fold: Fold, out: Path) -> None:
    """Refuse a finished cell that another grid or other films made.

    Raises:
        InputError: its settings or its data are not those the grid asks for now.
    """
    file = cell.result(out)
    record = json.loads(file.read_text(encoding="utf-8"))
    # A setting that radmark did not have when the cell was run stood as its default stands.
    ran_with = from_tree(record["settings"], str(file))
    wanted = config_of(grid, cell, films_of(grid, cell, fold), fold, _values(chosen(record)))
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


def chosen(record: Mapping[str, Any]) -> tuple[Tuned, ...]:
    """The settings that were chosen for a cell, from its `cell.json`; older ones hold one at most, without a list."""
    tuned: Any = record["tuned"]
    if isinstance(tuned, list):
        return tuple(Tuned(**one) for one in tuned)
    return () if tuned is None else (Tuned(**tuned),)


def _values(tuned: Sequence[Tuned]) -> dict[str, Any]:
    return {t.key: t.value for t in tuned}


def _tune(
    grid: Grid, cell: Cell, fold: Fold, dataset: Study, folder: Path, watch: Watch
) -> tuple[tuple[Tuned, ...], Path]:
    """Choose one setting after the other: of its candidates, the one with the least error on the validation part.

    Returns:
        What was chosen, and the run that was trained with all of it.
    """
    tuned: list[Tuned] = []
    tried: dict[Config, tuple[float, Path]] = {}
    best = folder
    for key, values in grid.tuned(cell.arms[0]).items():
        errors: list[float] = []
        for value in values:
            candidate = {**_values(tuned), key: value}
            config = config_of(grid, cell, dataset, fold, candidate, steps=grid.tune_steps)
            if config not in tried:  # what the arm starts with may be a candidate
                run = folder / f"run-{'-'.join(map(str, candidate.values()))}"
                checkpoint = _trained(config, dataset, run, watch)
                error = history(run)[checkpoint.epoch]["val_mean_radial_error_px"]
                if error is None:
                    raise InputError(
                        f"arm {cell.arms[0].name} cannot be tuned: its validation part holds no annotated landmark",
                        remedy="Give more annotated images, a larger validation_fraction or more watch_images",
                    )
                tried[config] = error, run
            errors.append(tried[config][0])
            if errors[-1] == min(errors):
                best = tried[config][1]
        tuned.append(Tuned(key, values[int(np.argmin(errors))], dict(zip(map(str, values), errors, strict=True))))
    return tuple(tuned), best


def _trained(config: Config, dataset: Study, run: Path, watch: Watch) -> Checkpoint:
    """The model of a run that is finished, gone on with, or begun."""
    if (run / TRAINING_FILE).is_file():
        return train(dataset, config, run, watch, resume=True)
    if (run / MODEL_FILE).is_file() and len(history(run)) == config.train.epochs:
        checkpoint = load_run(run)
        seen = {*checkpoint.facts["training_images"], *checkpoint.facts["validation_images"]}
        if checkpoint.config != config or seen != set(dataset.names):
            raise InputError(
                "this run was trained with other settings or on other images",
                file=run,
                remedy="Give another --out, or remove the run's folder to train it again",
            )
        return checkpoint
    # A run that stopped before its first epoch ended holds nothing worth keeping.
    return train(dataset, config, run, watch, overwrite=True)


def _predict(checkpoint: Checkpoint, cell: Cell, fold: Fold, out: Path) -> None:
    """Each arm's points on the scored images, by its own decoder and by argmax."""
    facts = checkpoint.facts
    trained_on = {h: name for part in ("training", "validation") for name, h in facts[f"{part}_images"].items()}
    net = checkpoint.net().to(memory_format=torch.channels_last)
    config = checkpoint.config
    decoders: dict[str, Decoder] = {"own": config.decode.decoder, "argmax": "argmax"}
    placed: dict[tuple[str, str], list[Marks]] = {(a.name, d): [] for a in cell.arms for d in decoders}
    for i, film in enumerate(fold.test.films):
        film = film.loaded()
        if film.pixel_hash in trained_on:
            raise InputError(
                f"{film.name} is scored, and was trained on as {trained_on[film.pixel_hash]}: the same pixels",
                file=film.path,
                remedy="Remove one of the two, or give both the same patient_id",
            )
        seen = Letterboxed.of(film, config.data.size)
        gray = torch.from_numpy(seen.gray.copy())[None, None]
        for arm in cell.arms:
            # "rotated": the picture turns, the points it is scored against do not.
            shown = _turned(gray, cell.seed, i) if arm.scored_on == "rotated" else gray
            located = locate_by(net, shown, config, checkpoint.radius_px, list(decoders.values()))
            for decoder, (points, confidence) in zip(decoders, located, strict=True):
                marks = seen.marks(checkpoint.scheme, points[0].numpy(), confidence[0].numpy())
                placed[arm.name, decoder].append(marks)
    for arm in cell.arms:
        for decoder in decoders:
            write_predictions_csv(cell.predictions(out, arm, decoder), placed[arm.name, decoder])


def _turned(gray: Tensor, seed: int, image: int) -> Tensor:
    """(1, 1, S, S) -> the same, turned as the released programs turn a scored image; `image` is its number."""
    u, v = np.random.default_rng([seed, image]).random(2)
    angle = (2 * u - 1) * ROTATE_DEG if v < ROTATE_PROBABILITY else 0.0
    return rotate(gray, torch.zeros(1, 1, 2), torch.tensor([angle], dtype=torch.float32))[0]
