"""What the store keeps, row by row, and what is asked of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from radmark.core.film import Film
from radmark.core.frame import Frame
from radmark.core.marks import State

PLACED = (State.PRESENT.label, State.OCCLUDED.label)
MARKED = (*PLACED, State.ABSENT.label)

How = Literal["placed", "moved", "keyed", "accepted", "adjudicated", "state", "undo", "imported", "predicted"]
"""What somebody did to a landmark. A mark that came from a file says how it came to be there, and no pixels that were seen."""

Order = Literal["name", "uncertainty"]
Progress = Literal["all", "untouched", "started", "done", "todo", "commented"]


def item_id(name: str, reading: int) -> str:
    """20 hexadecimal digits for a reading of a film."""
    return hashlib.sha256(f"radmark {reading} {name}".encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class FilmRow:
    """A film of the project.

    Args:
        film: named by its path below the folder, with forward slashes; its facts each with who says so.
        stamp: another one once the file was changed.
    """

    film: Film
    stamp: str

    @property
    def id(self) -> str:
        """What the page calls it: it tells nothing of the name, and is the same in every start."""
        return item_id(self.film.name, 1)


@dataclass(frozen=True, slots=True)
class MarkRow:
    """What stands for one landmark of one reading. `x` and `y` are None where the state has no point."""

    landmark: str
    x: float | None
    y: float | None
    state: str
    how: str
    version: int
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a reader did to one landmark. `x` and `y` are numbers exactly where `state` is present or occluded."""

    event_id: str
    base_version: int
    landmark: str
    x: float | None
    y: float | None
    state: str
    how: How
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A change that is on the disk."""

    mark: MarkRow
    repeated: bool
    n_placed: int
    n_marked: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A change that was not stored, since it was made on another version than what stands (None: nothing does)."""

    current: MarkRow | None


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One reading of one film by one reader, with what follows from everything they did.

    Args:
        id: what the page calls it.
        reader: who.
        reading: from 1.
        image: the film's id.
        film: with its facts; its millimetres are the reader's own calibration, where there is one.
        pixels: sha256 of what was looked at; None where nobody did.
        n_placed: landmarks present or occluded.
        n_marked: these and the absent ones.
        done: whether the reader says so.
        comment: the reader's.
        calibration: what the reader measured, with `spacing`.
        seconds_with: spent while proposals were shown.
        seconds_without: spent while none were.
        uncertainty: the model's.
    """

    id: str
    reader: str
    reading: int
    image: str
    film: Film
    pixels: str | None
    n_placed: int
    n_marked: int
    done: bool
    comment: str | None
    calibration: Mapping[str, Any] | None
    seconds_with: float
    seconds_without: float
    uncertainty: float | None

    @property
    def name(self) -> str:
        """The film's."""
        return self.film.name

    @property
    def frame(self) -> Frame:
        """The film's grid."""
        return self.film.frame


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of a reader."""

    items: int
    done: int
    started: int
    untouched: int


@dataclass(frozen=True, slots=True)
class Restated:
    """A fact of a film that this start states otherwise than an earlier one did; both are kept, the newer is used.

    Args:
        film: its name.
        name: of the fact.
        source: who says so.
        before: what was said.
        now: what is said.
    """

    film: str
    name: str
    source: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering the films of a start found.

    Args:
        restated: facts that are stated otherwise now.
        kept: name of a fact -> films for which an earlier start's table or flag says it, and this one's does not.
    """

    restated: tuple[Restated, ...] = ()
    kept: Mapping[str, int] | None = None
