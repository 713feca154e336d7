"""Readings of the same films side by side: readers x films x landmarks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.frame import FloatArray, Spacing
from radmark.core.marks import ABSENT, Author, Consensus, Mark, Marks, Model, Reader, State
from radmark.core.scheme import Scheme
from radmark.core.study import Marked, Study


@dataclass(frozen=True, eq=False)
class Panel:
    """R readings (a reader, or one of a reader's further readings) of N films with K landmarks.

    Args:
        readers: (R) labels; a second reading says so.
        people: (R) who that is; two labels may be one person.
        films: (N) by all that the rows say of them.
        scheme: the K landmarks.
        points: (R, N, K, 2) x right, y down, pixels of the film; NaN where it was not placed.
        rows: reader's label, film's name -> what that reading says, on the film with the reader's own calibration, if any.
        model: which of the readers is a model; it takes no part in the readers' consensus, outliers or figures.
    """

    readers: tuple[str, ...]
    people: tuple[str, ...]
    films: tuple[Film, ...]
    scheme: Scheme
    points: FloatArray
    rows: Mapping[tuple[str, str], Marked]
    model: str | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """(N) the films' names."""
        return tuple(film.name for film in self.films)

    @property
    def patients(self) -> tuple[str, ...]:
        """(N) whose film; the film's own name where nobody says."""
        return tuple(film.owner for film in self.films)

    @cached_property
    def scale(self) -> FloatArray:
        """(N, 2) millimetres per pixel in x and y; NaN where unknown."""
        spacings = [film.spacing for film in self.films]
        return np.array([(np.nan, np.nan) if s is None else (s.x_mm, s.y_mm) for s in spacings], np.float64)

    @property
    def landmarks(self) -> tuple[str, ...]:
        """(K) names."""
        return self.scheme.names

    @property
    def owners(self) -> NDArray[np.int64]:
        """(N,) a number for each film's patient."""
        return np.unique(self.patients, return_inverse=True)[1].astype(np.int64)

    @property
    def has_mm(self) -> bool:
        """Whether every film has a spacing: only then are millimetres given."""
        return bool(np.isfinite(self.scale).all())

    @property
    def first_sessions(self) -> tuple[int, ...]:
        """The first reading of each person: comparisons between people use only these."""
        return tuple(self.people.index(person) for person in dict.fromkeys(self.people))

    @property
    def voters(self) -> list[int]:
        """The first reading of each person, the model's left out."""
        return [r for r in self.first_sessions if self.readers[r] != self.model]


def together(studies: Sequence[Study]) -> Study:
    """Several files as one study, in which the same reader in two files, without sessions, has read twice.

    Raises:
        InputError: a row names nobody, or the same session of one reader holds a film twice.
    """
    times: Counter[tuple[str, Author]] = Counter()
    rows: list[Marked] = []
    for study in studies:
        for film, marks in study.rows:
            author = marks.author
            if author is None:
                raise InputError("a reading names no reader", value=film.name, remedy="Add a column reader")
            times[film.name, author] += 1
            if times[film.name, author] > 1:
                if not isinstance(author, Reader) or author.reading:
                    raise InputError(
                        "the same session of one reader holds a film twice", value=marks.who, remedy="Keep one"
                    )
                author = replace(author, reading=str(times[film.name, author]))
            rows.append(Marked(film, marks.by(author)))
    names = tuple(dict.fromkeys(name for study in studies for name in study.scheme.names))
    scheme = studies[0].scheme if studies[0].scheme.names == names else Scheme.from_names(names)
    return Study.gather(scheme, rows)


def panel(study: Study, model: Model | None = None) -> Panel:
    """The readings of a study side by side.

    Args:
        study: each row names its author.
        model: which of the authors is the model that is compared with the readers.

    Raises:
        InputError: fewer than two readings, rows that contradict each other about a film, or no film that two of them read.
    """
    found: dict[str, dict[str, Marked]] = {}  # label -> film -> row
    people: dict[str, tuple[str, str]] = {}  # label -> who, which reading
    for row in study.rows:
        author = row.marks.author
        if author is None:
            raise InputError("a reading names no reader", value=row.film.name, remedy="Add a column reader")
        label = str(author)
        people[label] = (author.name, author.reading) if isinstance(author, Reader) else (label, "")
        found.setdefault(label, {})[row.film.name] = row
    if len(found) < 2:
        raise InputError(
            "agreement needs at least two readers, or two readings by one",
            value=", ".join(found),
            remedy="Give another file, or one with a column reader",
        )
    order = list(dict.fromkeys(person for person, _ in people.values()))
    labels = tuple(sorted(found, key=lambda label: (order.index(people[label][0]), *_pass(people[label][1]))))
    names = study.names
    points = np.full((len(labels), len(names), len(study.scheme), 2), np.nan)
    for r, label in enumerate(labels):
        for n, name in enumerate(names):
            if name in found[label]:
                points[r, n] = found[label][name].marks.points
    if not (np.isfinite(points[..., 0]).sum(axis=0) > 1).any():
        raise InputError(
            "no landmark of any film was placed by two readers",
            value=f"{labels[0]}: {next(iter(found[labels[0]]))}; {labels[1]}: {next(iter(found[labels[1]]))}",
            remedy="Give readings of the same films: names have to be alike, suffix included",
        )
    films = {name: one_film([found[label][name].film for label in labels if name in found[label]]) for name in names}
    return Panel(
        readers=labels,
        people=tuple(people[label][0] for label in labels),
        films=tuple(films.values()),
        scheme=study.scheme,
        points=points,
        rows={
            (label, name): Marked(
                replace(films[name], spacing=row.film.spacing) if _own(row.film) else films[name], row.marks
            )
            for label, rows in found.items()
            for name, row in rows.items()
        },
        model=None if model is None else str(model),
    )


def _pass(reading: str) -> tuple[int, str]:
    """In the order in which a person read: the one without a number, then by number, then by name."""
    return (int(reading), "") if reading.isdecimal() else (0 if not reading else 10**9, reading)


def one_film(films: Sequence[Film]) -> Film:
    """A film by all that several rows say of it. What is said of a reading, such as a comment, is not said of the film.

    What a table states of its millimetres goes before what readers found on the film itself, that before the header. Readers who
    each calibrated the film do not contradict each other: of their millimetres it is the mean.

    Raises:
        InputError: they name different patients or sizes, or state different spacings.
    """
    first = films[0]
    if len({film.patient for film in films} - {None}) > 1:
        raise InputError(
            "the files name different patients for one film", value=first.name, remedy="Make them the same"
        )
    sizes = {film.size for film in films if film.size is not None}
    if len(sizes) > 1:
        raise InputError(
            "the files state different sizes for one film, so their points are on different grids",
            value=f"{first.name}: {' and '.join(f'{s[0]} x {s[1]}' for s in sizes)}",
            remedy="Give points on the same film file",
        )
    spacings = [film.spacing for film in films if film.spacing is not None]
    of_header = [film.spacing for film in films if film.spacing is not None and film.spacing == film.file_spacing]
    own = [film.spacing for film in films if film.spacing is not None and _own(film)]
    stated = [spacing for spacing in spacings if spacing not in of_header and spacing not in own] or (
        of_header if not own else []
    )
    if len({(spacing.x_mm, spacing.y_mm) for spacing in stated}) > 1:
        raise InputError(
            "the files state different spacings for one film",
            value=f"{first.name}: {sorted({(spacing.x_mm, spacing.y_mm) for spacing in stated})}",
            remedy="Make them the same, or give --spacing-mm",
        )
    spacing = stated[0] if stated else _mean(own)
    return replace(
        first,
        size=next(iter(sizes), None),
        spacing=spacing,
        facts=tuple(dict.fromkeys(fact for film in films for fact in film.facts)),
        attributes={k: v for k, v in first.attributes.items() if all(film.attributes.get(k) == v for film in films)},
    )


def _own(film: Film) -> bool:
    """Whether its millimetres are one reader's, found on the film itself."""
    return film.spacing is not None and film.spacing.source.on_film


def _mean(spacings: Sequence[Spacing]) -> Spacing | None:
    if not spacings:
        return None
    x_mm, y_mm = np.mean([(spacing.x_mm, spacing.y_mm) for spacing in spacings], axis=0).tolist()
    return replace(spacings[0], x_mm=x_mm, y_mm=y_mm)


def consensus_study(panel: Panel, agreed: FloatArray) -> Study:
    """The readers' consensus as one more reading of each film, to train on or to score against.

    A landmark that two or more placed lies where they agree, occluded if more than half of them say so; one that nobody placed
    and two or more say is absent is absent; everything else is not annotated, for one reader alone is no consensus. A person
    counts once, with the first reading.

    Args:
        panel: the readings side by side.
        agreed: (N, K, 2) the points of the consensus.
    """
    people = list(panel.voters)
    placed = np.isfinite(panel.points[people, ..., 0])  # (people, N, K)
    author = Consensus(tuple(panel.people[r] for r in people))
    found: list[Marked] = []
    for n, film in enumerate(panel.films):
        own = [row.marks for r in people if (row := panel.rows.get((panel.readers[r], film.name))) is not None]
        marks: dict[str, Mark] = {}
        for k, name in enumerate(panel.landmarks):
            states = [State(int(each.states[k])) for each in own]
            if placed[:, n, k].sum() > 1:
                hidden = 2 * states.count(State.OCCLUDED) > placed[:, n, k].sum()
                marks[name] = Mark(State.OCCLUDED if hidden else State.PRESENT, *agreed[n, k].tolist())
            elif not placed[:, n, k].any() and states.count(State.ABSENT) > 1:
                marks[name] = ABSENT
        if marks:
            found.append(Marked(film, Marks.of(panel.scheme, film.grid, marks, film=film.name, author=author)))
    return Study(panel.scheme, tuple(found))
