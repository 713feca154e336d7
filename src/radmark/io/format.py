"""An annotation format: what one has to say of itself, what it can hold, and the register that all stand in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from radmark.core.marks import Consensus, Model, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, stated
from radmark.io.files import Tree, parse_json


@dataclass(frozen=True, slots=True)
class Holds:
    """What a format has a place for. What it has none for is a loss, and is said before anything is written.

    Args:
        occluded: hidden, yet placed.
        absent: not in the picture, told from "nobody looked".
        unseen: "nobody looked", told from absent. A format with neither word for a missing point has neither.
        decimals: parts of a pixel.
        names: of the landmarks.
        size: of the film.
        spacing: millimetres per pixel, x and y apart.
        spacing_source: where the millimetres come from.
        reader: who, and so several readers of one film.
        session: several readings by one reader.
        model: which model made the marks, or whose consensus they are.
        patient: whose film.
        part: of a split.
        facts: side, display, date, … of the film.
        attributes: anything else.
        confidence: of a model.
        presence: how probable it is that a landmark is in the picture.
        covariance: of a model's points.
        origin: how each mark came to be.
    """

    occluded: bool = False
    absent: bool = False
    unseen: bool = True
    decimals: bool = True
    names: bool = True
    size: bool = True
    spacing: bool = False
    spacing_source: bool = False
    reader: bool = False
    session: bool = False
    model: bool = False
    patient: bool = False
    part: bool = False
    facts: bool = False
    attributes: bool = False
    confidence: bool = False
    presence: bool = False
    covariance: bool = False
    origin: bool = False


ALL = Holds(**{field.name: True for field in fields(Holds)})


def losses(study: Study, holds: Holds) -> tuple[Loss, ...]:
    """What writing a study in a format would lose, counted; nothing that is not there to lose."""
    rows = study.rows
    marks = [each.mark(name) for _, each in rows for name in study.scheme.names]
    facts = [stated(film) for film, _ in rows]
    fractions = sum(mark.placed and not (mark.x.is_integer() and mark.y.is_integer()) for mark in marks)
    without_source = sum(film.spacing is not None for film, _ in rows) if holds.spacing else 0
    by_model = sum(isinstance(each.author, Model) for _, each in rows)
    agreed = sum(isinstance(each.author, Consensus) for _, each in rows)
    found = (
        (holds.occluded, "occluded", sum(m.state == State.OCCLUDED for m in marks), "reads back as present"),
        (holds.absent, "absent", sum(m.state == State.ABSENT for m in marks), "reads back as not annotated"),
        (holds.unseen, "not annotated", sum(m.state == State.NOT_ANNOTATED for m in marks), "reads back as absent"),
        (holds.decimals, "sub-pixel position", fractions, "rounded to whole pixels"),
        (holds.names, "landmark name", len(study.scheme), "only their order is kept; give --scheme to read back"),
        (holds.size, "film size", sum(film.size is not None for film, _ in rows), "give --films to read back"),
        (holds.spacing, "pixel spacing", sum(film.spacing is not None for film, _ in rows), "no place for millimetres"),
        (holds.spacing_source, "source of the spacing", without_source, "no place for where it comes from"),
        (holds.reader, "reader", sum(bool(each.reader) for _, each in rows), "no place for a name"),
        (holds.session, "session", sum(bool(each.reading) for _, each in rows), "no place for a second reading"),
        (holds.model, "model", by_model, "no place for whose points these are"),
        (holds.model, "names behind a consensus", agreed, "no place for them"),
        (holds.patient, "patient", sum("patient" in of_film for of_film in facts), "no place for whose film it is"),
        (holds.part, "split", sum(film.part is not None for film, _ in rows), "no place for it"),
        (holds.facts, "fact of a film", sum(len(of_film.keys() - {"patient"}) for of_film in facts), "no place for it"),
        (holds.attributes, "further column", sum(len(film.attributes) for film, _ in rows), "no place for it"),
        (holds.confidence, "confidence", sum(m.confidence is not None for m in marks), "no place for it"),
        (holds.presence, "presence", sum(m.presence is not None for m in marks), "no place for it"),
        (holds.covariance, "covariance", sum(m.covariance is not None for m in marks), "no place for it"),
        (holds.origin, "origin of a mark", sum(m.origin is not None for m in marks), "no place for how it came to be"),
    )  # fmt: skip
    return tuple(Loss(what, count, why) for held, what, count, why in found if count and not held)


class Content:
    """What a file holds, as formats look at it to recognise theirs."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> Tree | None:
        """The JSON it holds; None where it is no such file.

        Raises:
            InputError: it begins as JSON and is not.
        """
        return parse_json(self.text, self.path) if self.text.lstrip()[:1] in ("{", "[") else None

    @cached_property
    def line(self) -> str:
        """The first line with something on it, of a file that is neither JSON nor XML."""
        if self.text.lstrip()[:1] in ("{", "[", "<"):
            return ""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")

    @cached_property
    def cells(self) -> list[str]:
        """That line's cells."""
        return [cell.strip().strip('"') for cell in self.line.replace(";", ",").replace("\t", ",").split(",")]

    def has(self, *keys: str) -> bool:
        """Whether it is a JSON object with all of these."""
        return self.tree is not None and all(self.tree.has(key) for key in keys)


@dataclass(frozen=True)
class Format:
    """One format: how it is recognised, read and written, and what it holds.

    Args:
        name: as --from and --to say it.
        title: in words.
        suffix: of its files.
        holds: what there is a place for.
        recognise: whether a file's content is of this format.
        read: a file, or for a format with one file per film also a folder, into a study.
        text: a study into the one file; None where the format has one file per film.
        files: a study into files by name; None where the format has one file.
        default: whether the suffix alone says this format where something is written.
    """

    name: str
    title: str
    suffix: str
    holds: Holds
    recognise: Callable[[Content], bool]
    read: Callable[[Path, Context], Study]
    text: Callable[[Study], str] | None = None
    files: Callable[[Study], Mapping[str, str]] | None = None
    default: bool = False

    def __post_init__(self) -> None:
        if (self.text is None) == (self.files is None):
            raise ValueError(f"format {self.name} has to give either text or files")


class Formats(Mapping[str, Format]):
    """Every annotation format, by name: radmark's own, and those that others register.

    Args:
        find: registers what is to be found, called when somebody first asks.
    """

    def __init__(self, find: Callable[["Formats"], None]) -> None:
        self._find = find
        self._all: dict[str, Format] = {}
        self._found = False

    def register(self, format: Format) -> None:  # noqa: A002
        """Add a format.

        Raises:
            ValueError: its name, or its suffix as the one to write, is taken.
        """
        if format.name in self._known():
            raise ValueError(f"there is a format {format.name} already")
        if format.default and (other := self.of_suffix(format.suffix, exactly=True)) is not None:
            raise ValueError(f"{format.suffix} says format {other.name} already")
        self._all[format.name] = format

    def of_suffix(self, name: str, *, exactly: bool = False) -> Format | None:
        """The format to write under a file's name; None where its suffix says none."""
        ends = [
            each
            for each in self._known().values()
            if each.default and (name == each.suffix if exactly else name.lower().endswith(each.suffix))
        ]
        return max(ends, key=lambda each: len(each.suffix), default=None)

    def _known(self) -> dict[str, Format]:
        if not self._found:
            self._found = True
            self._find(self)
        return self._all

    def __getitem__(self, name: str) -> Format:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())
