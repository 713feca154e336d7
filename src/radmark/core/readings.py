"""What people marked, as annotation files tell it: any number of readers, images of unknown size, and what a file lost.

A `Dataset` is what training needs: one reader, images at hand. A file may hold less (no image size) or more (five readers,
a second reading). `Readings` is the word for that; formats read into it and write out of it, agreement is computed from it.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from radmark.core.errors import InputError
from radmark.core.frame import Spacing
from radmark.core.landmarks import State
from radmark.core.scheme import Scheme


@dataclass(frozen=True, slots=True)
class Mark:
    """One landmark on one image: x right, y down, pixels, (0, 0) the centre of the top-left pixel.

    Raises:
        InputError: a present or occluded landmark without a finite point, or any other with one.
    """

    state: State
    x: float = math.nan
    y: float = math.nan
    confidence: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", float(self.x))
        object.__setattr__(self, "y", float(self.y))
        finite = math.isfinite(self.x) and math.isfinite(self.y)
        if finite != self.placed:
            raise InputError(
                f"a landmark is {self.state.label}, which its coordinates contradict",
                value=(self.x, self.y),
                remedy="A present or occluded landmark has finite coordinates, any other has none",
            )

    @property
    def placed(self) -> bool:
        """Whether it has a position."""
        return self.state <= State.OCCLUDED

    @property
    def point(self) -> tuple[float, float]:
        """(x, y), or two NaN."""
        return (self.x, self.y)


NOT_ANNOTATED = Mark(State.NOT_ANNOTATED)
ABSENT = Mark(State.ABSENT)


def present(x: float, y: float) -> Mark:
    """A landmark that was seen and placed."""
    return Mark(State.PRESENT, x, y)


@dataclass(frozen=True, eq=False)
class Reading:
    """One image as one reader marked it, once.

    Args:
        image: the image's name in the file, with forward slashes.
        marks: by landmark; one that is missing here is not annotated.
        size: (width, height) in pixels; None where the file does not say.
        spacing: millimetres a pixel; None where unknown.
        reader: who; None where the file does not say.
        session: which reading by this reader, where there are several; "" for the only one.
        patient: whose film; None where the file does not say.
        part: of a split.
        attributes: everything else the file says of the film.

    Raises:
        InputError: no name, one that leads out of the image folder, or a size of no pixel.
    """

    image: str
    marks: Mapping[str, Mark]
    size: tuple[int, int] | None = None
    spacing: Spacing | None = None
    reader: str | None = None
    session: str = ""
    patient: str | None = None
    part: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        parts = self.image.split("/")
        if not self.image.strip() or "\0" in self.image or "\\" in self.image or self.image.startswith("/"):
            raise InputError("this is no name of an image", value=self.image, remedy="Give a path inside the folder")
        if ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
            raise InputError(
                "an image's name leads out of the image folder", value=self.image, remedy="Give a path inside it"
            )
        if self.size is not None and min(self.size) < 1:
            raise InputError("an image needs at least one pixel", value=self.size, remedy="Check the image size")
        object.__setattr__(self, "marks", MappingProxyType(dict(self.marks)))

    def mark(self, landmark: str) -> Mark:
        """What is known of a landmark; not annotated where nothing was said."""
        return self.marks.get(landmark, NOT_ANNOTATED)

    @property
    def who(self) -> str:
        """Image, reader and session, for messages."""
        extra = [part for part in (self.reader, self.session) if part]
        return f"{self.image} ({', '.join(extra)})" if extra else self.image


@dataclass(frozen=True, slots=True)
class Loss:
    """What did not come through: `count` times `what`, and why. No text of a patient stands in it."""

    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} x {self.what}: {self.why}"


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings in one scheme.

    Args:
        scheme: landmarks in order.
        readings: of one or many images, readers, sessions.
        lost: what the file held that radmark has no word for.

    Raises:
        InputError: there is none, a mark of a landmark the scheme does not have, or one reader, session and image twice.
    """

    scheme: Scheme
    readings: tuple[Reading, ...]
    lost: tuple[Loss, ...] = ()

    def __post_init__(self) -> None:
        if not self.readings:
            raise InputError("there is no annotated image", remedy="Give a file with at least one")
        known = set(self.scheme.names)
        seen: set[tuple[str, str | None, str]] = set()
        for reading in self.readings:
            if unknown := reading.marks.keys() - known:
                raise InputError(
                    f"{reading.image} has a landmark that scheme {self.scheme.name} does not",
                    value=min(unknown),
                    remedy=f"Use {', '.join(self.scheme.names[:8])}{', …' if len(known) > 8 else ''}",
                )
            key = (reading.image, reading.reader, reading.session)
            if key in seen:
                raise InputError(
                    "the same image is read twice by the same reader",
                    value=reading.who,
                    remedy="Keep one, or tell the readings apart by a reader or a session",
                )
            seen.add(key)

    @property
    def readers(self) -> tuple[str | None, ...]:
        """Who read, in the order they first appear."""
        return tuple(dict.fromkeys(reading.reader for reading in self.readings))

    @property
    def images(self) -> tuple[str, ...]:
        """Image names in the order they first appear."""
        return tuple(dict.fromkeys(reading.image for reading in self.readings))

    def of_reader(self, reader: str) -> "Readings":
        """The readings of one reader.

        Raises:
            InputError: nobody of this name read.
        """
        mine = tuple(reading for reading in self.readings if reading.reader == reader)
        if not mine:
            raise InputError(
                "nobody of this name read",
                value=reader,
                remedy=f"Use one of: {', '.join(sorted(r for r in self.readers if r)) or 'none is named'}",
            )
        return replace(self, readings=mine)

    def named(self, reader: str) -> "Readings":
        """The same with every reading said to be this reader's."""
        return replace(self, readings=tuple(replace(reading, reader=reader) for reading in self.readings))

    def in_scheme(self, scheme: Scheme) -> "Readings":
        """Only the landmarks of `scheme`, in its order; what is left out is added to `lost`.

        Raises:
            InputError: not one landmark of the scheme is marked.
        """
        left: Counter[str] = Counter()
        readings: list[Reading] = []
        for reading in self.readings:
            kept = {name: mark for name, mark in reading.marks.items() if name in scheme.names}
            left.update(
                name for name, mark in reading.marks.items() if name not in kept and mark.state != State.NOT_ANNOTATED
            )
            readings.append(replace(reading, marks=kept))
        if left and not any(reading.marks for reading in readings):
            raise InputError(
                f"no landmark of scheme {scheme.name} is in the file",
                value=", ".join(sorted(left)[:5]),
                remedy="Give the scheme these landmarks belong to",
            )
        why = f"not a landmark of scheme {scheme.name}"
        lost = tuple(Loss(f"landmark {name}", count, why) for name, count in sorted(left.items()))
        return Readings(scheme, tuple(readings), (*self.lost, *lost))
