"""The films of a benchmark: what each fold of each data set trains on and what it scores."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from radmark import phantom
from radmark.benchmark.grid import Grid, Source
from radmark.core.errors import InputError
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.split import Split
from radmark.core.study import Marked, Study
from radmark.io import TableOptions, read_dataset, read_scheme

FOLD_SEED = 0
"""Of the draw that deals patients to folds: the same for all arms and seeds, so that they are compared on the same films."""


@dataclass(frozen=True, eq=False)
class Fold:
    """What one fold trains on, inner validation part included, and what it scores; no patient is in both.

    Args:
        train: the training part.
        test: the scored part.
        test_images: the folder that the names of the scored images are relative to.
    """

    train: Study
    test: Study
    test_images: Path

    def few(self, n: int | None, seed: int) -> Study:
        """`n` training images, or all; a smaller draw of the same seed is part of a larger one.

        Images are taken patient by patient, so there may be a few more than `n`.

        Raises:
            InputError: there are fewer than `n`.
        """
        if n is None:
            return self.train
        if n > len(self.train):
            raise InputError(
                f"there are only {len(self.train)} training images", value=n, remedy="Take that size out of few_images"
            )
        patients = sorted({film.owner for film in self.train.films})
        names: list[str] = []
        for i in np.random.default_rng([seed, 7]).permutation(len(patients)):
            if len(names) >= n:
                break
            names += [film.name for film in self.train.films if film.owner == patients[i]]
        return _unparted(self.train.subset(names))

    def watched(self, n: int, seed: int, watch: int) -> Study:
        """`few` images, all of which teach, and `watch` others as the validation part: the same for each `n` of a seed.

        They are taken patient by patient too, so there may be a few more.

        Raises:
            InputError: there are fewer than `n` and `watch` together.
        """
        taught = self.few(n, seed)
        patients = sorted({film.owner for film in self.train.films})
        names: list[str] = []
        for i in reversed(np.random.default_rng([seed, 7]).permutation(len(patients))):
            if len(names) >= watch:
                break
            names += [film.name for film in self.train.films if film.owner == patients[i]]
        if len(names) < watch or not set(taught.names).isdisjoint(names):
            raise InputError(
                f"there are {len(self.train)} training images: too few for {n} that teach and {watch} others to watch",
                value=n,
                remedy="Take that size out, or lower watch_images",
            )
        parts = {**dict.fromkeys(names, "val"), **dict.fromkeys(taught.names, "train")}
        return _parted(self.train.subset(parts), parts)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every name, patient, size, point and state: whether two runs had the same data set."""
        sha = hashlib.sha256()
        for part in (self.train, self.test):
            for film, marks in part.rows:
                frame = marks.frame
                sha.update(f"{film.name}|{film.owner}|{frame.width}x{frame.height}|{frame.spacing}|".encode())
                sha.update(marks.points.tobytes() + marks.states.tobytes())
        return sha.hexdigest()


def draw_phantoms(grid: Grid, out: Path) -> None:
    """Draw the data sets that are phantoms, into `out`; what is there already stays."""
    for source in grid.data:
        for part, n in (("train", source.train_images), ("test", source.test_images)):
            folder = out / source.name / part
            if source.phantom is not None and not (folder / "annotations.csv").is_file():
                for left in folder.glob("images/*.png"):  # of a drawing that was interrupted
                    left.unlink()
                if (folder / "images").is_dir():
                    (folder / "images").rmdir()
                phantom.write(folder, source.phantom, n, seed=0 if part == "train" else 1, size_px=source.size)


def read_folds(grid: Grid, source: Source, phantoms: Path) -> tuple[Fold, ...]:
    """The folds of a data set.

    Args:
        grid: whose paths are relative to its base.
        source: the data set.
        phantoms: where `draw_phantoms` drew.

    Raises:
        InputError: the tables cannot be read, name no test images, or have a patient on both sides.
    """
    if source.phantom is not None:
        tables = [phantoms / source.name / part for part in ("train", "test")]
        train, test = (read_dataset(t / "annotations.csv", t / "images", reader="phantom") for t in tables)
        return (Fold(train, test, tables[1] / "images"),)  # both parts name their films alike, but they are others
    images = grid.base / (source.images or "")
    options = _options(grid, source)
    if source.annotations is None:
        train = read_dataset(grid.base / (source.train or ""), images, **options)
        options["scheme"] = train.scheme
        test = read_dataset(grid.base / (source.test or ""), images, **options)
        return (_apart(_unparted(train), _unparted(test), source, images),)
    whole = read_dataset(grid.base / source.annotations, images, **options)
    if source.folds:
        splits = Split.folds(whole, source.folds, seed=FOLD_SEED)
        return tuple(
            Fold(_unparted(whole.subset(s.parts["train"])), _unparted(whole.subset(s.parts["test"])), images)
            for s in splits
        )
    parts = Split.by_column(whole).parts
    if "train" not in parts or "test" not in parts:
        raise InputError(
            f"data set {source.name} has no folds, and its split column does not name train and test",
            file=grid.base / source.annotations,
            column="split",
            value=", ".join(parts) or "no column",
            remedy="Give folds = 5, or a split column with train and test",
        )
    train = whole.subset(name for part, names in parts.items() if part != "test" for name in names)
    return (Fold(train, _unparted(whole.subset(parts["test"])), images),)


def _options(grid: Grid, source: Source) -> TableOptions:
    options: TableOptions = {"reader": source.reader}
    if source.scheme is not None:
        own = grid.base / source.scheme
        options["scheme"] = read_scheme(str(own) if own.is_file() else source.scheme)
    if source.spacing_mm is not None:
        options["spacing"] = Spacing(*source.spacing_mm, SpacingSource.FLAG)
    return options


def _apart(train: Study, test: Study, source: Source, images: Path) -> Fold:
    """Both tables as a fold, refused where they share a patient."""
    both = {film.owner for film in train.films} & {film.owner for film in test.films}
    if both:
        raise InputError(
            f"data set {source.name} has a patient in the training and in the test table",
            value=min(both),
            remedy="Keep all films of a patient in one of the two",
        )
    return Fold(train, test, images)


def _unparted(study: Study) -> Study:
    """Without the table's own split, so that training draws its inner validation part itself."""
    return _parted(study, {})


def _parted(study: Study, parts: Mapping[str, str]) -> Study:
    """With these parts, by the films' names; those not named are in none."""
    rows = tuple(Marked(replace(film, part=parts.get(film.name)), marks) for film, marks in study.rows)
    return replace(study, rows=rows)
