"""Readings of the same films side by side: readers x images x landmarks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray, Spacing
from radmark.core.landmarks import State
from radmark.core.readings import ABSENT, Mark, Reading, Readings
from radmark.core.scheme import Scheme


@dataclass(frozen=True, eq=False)
class Panel:
    """R readings (a reader, or one of a reader's sessions) of N images with K landmarks.

    Args:
        readers: (R) labels; a second session says so.
        people: (R) who that is; two labels may be one person.
        images: (N) names.
        patients: (N) whose film; the image's own name where nobody says.
        scheme: the K landmarks.
        points: (R, N, K, 2) x right, y down, pixels of the image file; NaN where it was not placed.
        scale: (N, 2) millimetres a pixel in x and y; NaN where unknown.
    """

    readers: tuple[str, ...]
    people: tuple[str, ...]
    images: tuple[str, ...]
    patients: tuple[str, ...]
    scheme: Scheme
    points: FloatArray
    scale: FloatArray

    @property
    def landmarks(self) -> tuple[str, ...]:
        """(K) names."""
        return self.scheme.names

    @property
    def owners(self) -> NDArray[np.int64]:
        """(N,) a number for each image's patient."""
        return np.unique(self.patients, return_inverse=True)[1].astype(np.int64)

    @property
    def has_mm(self) -> bool:
        """Whether every image has a spacing: only then are millimetres given."""
        return bool(np.isfinite(self.scale).all())

    @property
    def first_sessions(self) -> tuple[int, ...]:
        """The first reading of each person: comparisons between people use only these."""
        return tuple(self.people.index(person) for person in dict.fromkeys(self.people))


def panel(sets: Sequence[Readings]) -> Panel:
    """Bring readings of several files together.

    Args:
        sets: each reading has to name its reader. The same reader in two files, without sessions, has read twice.

    Raises:
        InputError: a reading names nobody, fewer than two readings, files that contradict each other about an image, or no
            film that two of them read.
    """
    times: Counter[tuple[str, str, str]] = Counter()
    found: dict[str, dict[str, Reading]] = {}  # label -> image -> reading
    people: dict[str, str] = {}
    for readings in sets:
        for reading in readings.readings:
            if reading.reader is None:
                raise InputError("a reading names no reader", value=reading.image, remedy="Add a column reader")
            key = (reading.reader, reading.session, reading.image)
            times[key] += 1
            session = reading.session or ("" if times[key] == 1 else str(times[key]))
            if reading.session and times[key] > 1:
                raise InputError(
                    "the same session of one reader holds an image twice", value=reading.who, remedy="Keep one"
                )
            label = f"{reading.reader}, reading {session}" if session else reading.reader
            people[label] = reading.reader
            found.setdefault(label, {})[reading.image] = reading
    if len(found) < 2:
        raise InputError(
            "agreement needs at least two readers, or two readings by one",
            value=", ".join(found),
            remedy="Give another file, or one with a column reader",
        )
    images = tuple(dict.fromkeys(image for of_label in found.values() for image in of_label))
    landmarks = tuple(dict.fromkeys(name for readings in sets for name in readings.scheme.names))
    labels = tuple(found)
    points = np.full((len(labels), len(images), len(landmarks), 2), np.nan)
    for r, label in enumerate(labels):
        for n, image in enumerate(images):
            reading = found[label].get(image)
            if reading is not None:
                points[r, n] = [reading.mark(name).point for name in landmarks]
    if not (np.isfinite(points[..., 0]).sum(axis=0) > 1).any():
        raise InputError(
            "no landmark of any image was placed by two readers",
            value=f"{labels[0]}: {next(iter(found[labels[0]]))}; {labels[1]}: {next(iter(found[labels[1]]))}",
            remedy="Give readings of the same images: names have to be alike, suffix included",
        )
    of_image = [[found[label][image] for label in labels if image in found[label]] for image in images]
    return Panel(
        readers=labels,
        people=tuple(people[label] for label in labels),
        images=images,
        patients=tuple(_patient(readings) for readings in of_image),
        scheme=sets[0].scheme if sets[0].scheme.names == landmarks else Scheme.from_names(landmarks),
        points=points,
        scale=np.array([_scale(readings) for readings in of_image]),
    )


def _patient(readings: Sequence[Reading]) -> str:
    said = {reading.patient for reading in readings} - {None}
    if len(said) > 1:
        raise InputError(
            "the files name different patients for one image", value=readings[0].image, remedy="Make them alike"
        )
    return next(iter(said)) or readings[0].image if said else readings[0].image


def _scale(readings: Sequence[Reading]) -> tuple[float, float]:
    sizes = {reading.size for reading in readings} - {None}
    if len(sizes) > 1:
        raise InputError(
            "the files state different sizes for one image, so their points are on different grids",
            value=f"{readings[0].image}: {' and '.join(f'{s[0]} x {s[1]}' for s in sizes if s)}",
            remedy="Give points on the same image file",
        )
    spacings: set[Spacing] = {reading.spacing for reading in readings if reading.spacing is not None}
    values = {(spacing.x_mm, spacing.y_mm) for spacing in spacings}
    if len(values) > 1:
        raise InputError(
            "the files state different spacings for one image",
            value=f"{readings[0].image}: {sorted(values)}",
            remedy="Make them alike, or give --spacing-mm",
        )
    return next(iter(values)) if values else (np.nan, np.nan)


CONSENSUS = "consensus"
"""Whose reading a consensus is said to be."""


def consensus_readings(
    panel: Panel, sets: Sequence[Readings], agreed: FloatArray, model: str | None = None
) -> Readings:
    """The readers' consensus as one more reading of each film, to train on or to score against.

    A landmark that two or more placed lies where they agree, occluded if more than half of them say so; one that nobody placed
    and two or more say is absent is absent; everything else is not annotated, for one reader alone is no consensus.

    Args:
        panel: the readings side by side.
        sets: what it was made from.
        agreed: (N, K, 2) the points of the consensus.
        model: which of the panel's readers is a model and takes no part.
    """
    people = [r for r in panel.first_sessions if panel.readers[r] != model]
    placed = np.isfinite(panel.points[people, ..., 0])  # (people, N, K)
    first: dict[tuple[str, str], Reading] = {}
    for readings in sets:
        for reading in readings.readings:
            if reading.reader is not None and reading.reader != model:
                first.setdefault((reading.image, reading.reader), reading)
    found: list[Reading] = []
    for n, image in enumerate(panel.images):
        own = [first.get((image, panel.people[r])) for r in people]
        marks: dict[str, Mark] = {}
        for k, name in enumerate(panel.landmarks):
            states = [reading.mark(name).state for reading in own if reading is not None]
            if placed[:, n, k].sum() > 1:
                hidden = 2 * states.count(State.OCCLUDED) > placed[:, n, k].sum()
                marks[name] = Mark(State.OCCLUDED if hidden else State.PRESENT, *agreed[n, k].tolist())
            elif not placed[:, n, k].any() and states.count(State.ABSENT) > 1:
                marks[name] = ABSENT
        told = [reading for reading in own if reading is not None]
        if not marks:
            continue
        size = next((reading.size for reading in told if reading.size is not None), None)
        spacing = next((reading.spacing for reading in told if reading.spacing is not None), None)
        patient = next((reading.patient for reading in told if reading.patient is not None), None)
        plain = replace(told[0], marks=marks, size=size, spacing=spacing, patient=patient, reader=CONSENSUS, session="")
        found.append(plain)
    return Readings(panel.scheme, tuple(found))
