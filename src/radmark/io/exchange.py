"""What annotation formats share: what a reader may ask for that its file does not say, and what each format can hold."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from radmark.core.dataset import Case, Dataset
from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing
from radmark.core.landmarks import Landmarks, State
from radmark.core.prediction import Prediction, common_scheme
from radmark.core.readings import Loss, Mark, Reading, Readings
from radmark.core.scheme import Scheme
from radmark.io.images import IMAGE_SUFFIXES, read_size, read_spacing
from radmark.io.schemes import read_scheme, shipped_schemes


def find_image(folder: Path, name: str) -> Path:
    """The file of an image. A name may lead into sub folders, not out of the folder, and may lack its suffix.

    Raises:
        InputError: it leads out, there is none, or several could be meant.
    """
    relative = PurePosixPath(name.replace("\\", "/"))
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"this is not the name of a file under {folder}",
            value=name,
            remedy="Give names relative to the folder of images",
        )
    path = folder / relative
    for suffixes in ((), IMAGE_SUFFIXES, tuple(suffix.upper() for suffix in IMAGE_SUFFIXES)):
        tried = [path.with_name(path.name + suffix) for suffix in suffixes] or [path]
        found = [candidate for candidate in tried if _is_file(candidate)]
        if len(found) > 1:
            raise InputError(
                f"{' and '.join(file.name for file in found)} could be meant",
                value=name,
                remedy="Write the name with its suffix",
            )
        if found:
            return found[0]
    raise InputError(f"there is no such image in {folder}", value=name, remedy="Correct the name, or add the file")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or with a NUL, is the name of no file
        return False


@dataclass(frozen=True)
class Context:
    """What the reader of a file may ask for that the file does not say.

    Args:
        scheme: names of the landmarks, for formats that only count them.
        images: the folder of the images.
        spacing: millimetres a pixel of all images, for formats in millimetres.
        absent_corner_px: a point with x and y both below this means "absent", where a format has that habit.
    """

    scheme: Scheme | None = None
    images: Path | None = None
    spacing: Spacing | None = None
    absent_corner_px: float | None = None

    def image(self, name: str) -> Path | None:
        """The image's file; None without a folder of images."""
        return None if self.images is None else find_image(self.images, name)

    def size_of(self, name: str) -> tuple[int, int] | None:
        """(width, height) of an image, from its file; None without a folder of images."""
        path = self.image(name)
        return None if path is None else read_size(path)

    def need_size_of(self, name: str, why: str) -> tuple[int, int]:
        """(width, height) of an image, from its file.

        Raises:
            InputError: there is no folder of images, or no such image in it.
        """
        size = self.size_of(name)
        if size is None:
            raise InputError(
                f"the size of the image is needed, because {why}",
                value=name,
                remedy="Give the folder of the images (--images)",
            )
        return size

    def spacing_of(self, name: str) -> Spacing | None:
        """Millimetres a pixel: as given, else as the image's own file says."""
        path = None if self.spacing is not None else self.image(name)
        return self.spacing if path is None else read_spacing(path)

    def names(self, count: int) -> tuple[str, ...]:
        """Names for `count` landmarks that a file has in order but does not name.

        Raises:
            InputError: the scheme given has another number of landmarks.
        """
        if self.scheme is None:
            return tuple(f"landmark_{k}" for k in range(1, count + 1))
        if len(self.scheme) != count:
            raise InputError(
                f"scheme {self.scheme.name} has {len(self.scheme)} landmarks, and these are {count}",
                value=count,
                remedy="Give the scheme these landmarks belong to, in their order",
            )
        return self.scheme.names


@cache
def _shipped() -> tuple[Scheme, ...]:
    return tuple(read_scheme(name) for name in shipped_schemes())


def scheme_of(names: Sequence[str]) -> Scheme:
    """The shipped scheme of exactly these landmarks, in the order given; else one made from the bare names."""
    for scheme in _shipped():
        if set(scheme.names) == set(names):
            return replace(scheme, landmarks=tuple(scheme.landmarks[scheme.index(name)] for name in names))
    return Scheme.from_names(names)


def gathered(
    file: Path, readings: Sequence[Reading], lost: Sequence[Loss] = (), names: Sequence[str] | None = None
) -> Readings:
    """Readings of one file, in the scheme of the names given or, where a format has none, of the marks there are.

    Names that only appear with the marks are in the order of a shipped scheme that has them all, else as they first appear.
    """
    if not readings:
        raise InputError("the file holds no annotated image", file=file, remedy="Give a file with at least one")
    try:
        if names is None:
            seen = list(dict.fromkeys(name for reading in readings for name in reading.marks))
            if not seen:
                raise InputError("the file holds no landmark", remedy="Give a file with at least one")
            for shipped in _shipped():
                if set(shipped.names) == set(seen):
                    seen = list(shipped.names)
            names = seen
        return Readings(scheme_of(names), tuple(readings), tuple(lost))
    except InputError as error:
        raise error.at(file=file) from error


@dataclass(frozen=True, slots=True)
class Holds:
    """What a format has a place for. What it has none for is a loss, and is said before anything is written.

    Args:
        occluded: hidden, yet placed.
        absent: not in the picture, told from "nobody looked".
        unseen: "nobody looked", told from absent. A format with neither word for a missing point has neither.
        decimals: parts of a pixel.
        names: of the landmarks.
        size: of the image.
        spacing: millimetres a pixel, x and y apart.
        reader: who, and so several readers of one image.
        session: several readings by one reader.
        patient: whose film.
        part: of a split.
        attributes: anything else.
        confidence: of a model.
    """

    occluded: bool = False
    absent: bool = False
    unseen: bool = True
    decimals: bool = True
    names: bool = True
    size: bool = True
    spacing: bool = False
    reader: bool = False
    session: bool = False
    patient: bool = False
    part: bool = False
    attributes: bool = False
    confidence: bool = False


ALL = Holds(True, True, True, True, True, True, True, True, True, True, True, True, True)


def losses(readings: Readings, holds: Holds) -> tuple[Loss, ...]:
    """What writing `readings` in a format would lose, counted; nothing that is not there to lose."""
    states = [[reading.mark(name) for name in readings.scheme.names] for reading in readings.readings]
    marks = [mark for of_image in states for mark in of_image]
    rows = readings.readings
    fractions = sum(mark.placed and not (mark.x.is_integer() and mark.y.is_integer()) for mark in marks)
    found = (
        (holds.occluded, "occluded", sum(m.state == State.OCCLUDED for m in marks), "reads back as present"),
        (holds.absent, "absent", sum(m.state == State.ABSENT for m in marks), "reads back as not annotated"),
        (holds.unseen, "not annotated", sum(m.state == State.NOT_ANNOTATED for m in marks), "reads back as absent"),
        (holds.decimals, "sub-pixel position", fractions, "rounded to whole pixels"),
        (holds.names, "landmark name", len(readings.scheme), "only their order is kept; give --scheme to read back"),
        (holds.size, "image size", sum(r.size is not None for r in rows), "give --images to read back"),
        (holds.spacing, "pixel spacing", sum(r.spacing is not None for r in rows), "no place for millimetres"),
        (holds.reader, "reader", sum(r.reader is not None for r in rows), "no place for a name"),
        (holds.session, "session", sum(bool(r.session) for r in rows), "no place for a second reading"),
        (holds.patient, "patient", sum(r.patient is not None for r in rows), "no place for whose film it is"),
        (holds.part, "split", sum(r.part is not None for r in rows), "no place for it"),
        (holds.attributes, "further column", sum(len(r.attributes) for r in rows), "no place for it"),
        (holds.confidence, "confidence", sum(m.confidence is not None for m in marks), "no place for it"),
    )
    return tuple(Loss(what, count, why) for held, what, count, why in found if count and not held)


def decimals(value: float) -> float:
    """A coordinate as files hold it: a ten-thousandth of a pixel, no minus zero."""
    return float(np.round(value, 4)) + 0.0


def once(marks: Container[str], name: str, file: Path, where: str, row: int | None = None) -> None:
    """Refuse a landmark that stands twice on one image.

    Raises:
        InputError: `name` is among `marks` already.
    """
    if name in marks:
        raise InputError(
            f"a landmark stands twice on {where}",
            file=file,
            row=row,
            value=name,
            remedy="Keep one, or rename the other",
        )


def files_of(path: Path, suffix: str) -> list[tuple[Path, str]]:
    """The file itself, or all files of a folder that end so; each with its folder, relative to the one given.

    Raises:
        InputError: the folder has no such file.
    """
    if not path.is_dir():
        return [(path, "")]
    found = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
    if not found:
        raise InputError(f"the folder holds no {suffix} file", file=path, remedy="Check the folder")
    return [(file, file.parent.relative_to(path).as_posix().removeprefix(".")) for file in found]


# ------------------------------------------------------------------------------------------- from and to a data set


def of_predictions(predictions: Sequence[Prediction]) -> Readings:
    """A model's predictions as readings, with their confidence.

    Raises:
        InputError: no prediction, two of one image name, or predictions of several schemes.
    """
    scheme = common_scheme(predictions)
    return Readings(
        scheme, tuple(_of_landmarks(p.name, p.landmarks, tuple(p.confidence.tolist())) for p in predictions)
    )


def of_dataset(dataset: Dataset) -> Readings:
    """A data set as readings: states, spacing, patients and all."""
    readings: list[Reading] = []
    for case in dataset.cases:
        attributes = {name: value for name, value in case.attributes.items() if name not in ("reader", "session")}
        readings.append(
            replace(
                _of_landmarks(case.name, case.landmarks),
                reader=case.attributes.get("reader") or dataset.reader,
                session=case.attributes.get("session", ""),
                patient=None if case.patient == case.name else case.patient,
                part=case.part,
                attributes={name: value for name, value in attributes.items() if value},
            )
        )
    return Readings(dataset.scheme, tuple(readings))


def _of_landmarks(name: str, landmarks: Landmarks, confidence: Sequence[float] | None = None) -> Reading:
    frame = landmarks.frame
    marks: dict[str, Mark] = {}
    for k, landmark in enumerate(landmarks.scheme.names):
        x, y = landmarks.points[k].tolist()
        sure = None if confidence is None or np.isnan(confidence[k]) else confidence[k]
        marks[landmark] = Mark(State(int(landmarks.states[k])), x, y, sure)
    return Reading(name, marks, (frame.width, frame.height), frame.spacing)


def to_dataset(readings: Readings, images: Path) -> Dataset:
    """One reader's readings as a data set, with the images at hand.

    Raises:
        InputError: an image is missing or of another size than the file says, or several readers read it.
    """
    if len(readings.images) < len(readings.readings):
        raise InputError(
            "the file holds several readings of one image",
            value=", ".join(str(reader) for reader in readings.readers[:4]),
            remedy="Say whose to use (--reader)",
        )
    cases: list[Case] = []
    for reading in readings.readings:
        path = find_image(images, reading.image)
        frame = Frame(*sized(reading, Context(images=images)), reading.spacing or read_spacing(path))
        marks = [reading.mark(name) for name in readings.scheme.names]
        points = np.array([mark.point for mark in marks])
        states = np.array([mark.state for mark in marks], np.int8)
        attributes = {**reading.attributes, **({} if reading.reader is None else {"reader": reading.reader})}
        cases.append(
            Case(
                name=reading.image,
                image=path,
                landmarks=Landmarks(readings.scheme, frame, points, states),
                patient=reading.patient or reading.image,
                part=reading.part,
                attributes=attributes,
            )
        )
    readers = readings.readers
    return Dataset(readings.scheme, tuple(cases), readers[0] if len(readers) == 1 else None)


def sized(reading: Reading, context: Context) -> tuple[int, int]:
    """The size of a reading's image, from its file.

    Raises:
        InputError: the annotation file says another: its points are for another picture.
    """
    size = context.need_size_of(reading.image, "it is asked for")
    if reading.size not in (None, size):
        raise InputError(
            f"{reading.image} is {size[0]} wide and {size[1]} high, not as the annotation file says",
            value=f"{reading.size[0]} x {reading.size[1]}" if reading.size else None,
            remedy="Give the image the points were marked on: points marked on another size or turn are wrong here",
        )
    return size
