"""A study: films, and marks on them by any number of authors. Formats read into it and write out of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.marks import Author, Marks, Reader, State
from radmark.core.scheme import Scheme


class Marked(NamedTuple):
    """A film, and what one author says of it."""

    film: Film
    marks: Marks


@dataclass(frozen=True, slots=True)
class Loss:
    """What did not come through: `count` times `what`, and why. No text of a patient stands in it."""

    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} x {self.what}: {self.why}"


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """Films and marks of one scheme.

    Args:
        scheme: landmarks in order; every row's marks are in it.
        rows: a film and marks on it; one film may stand in several rows, each by another author or of another reading.
        lost: what the file they are from held that radmark has no word for.

    Raises:
        InputError: no row, marks of another scheme, or one author and reading twice on one film.
    """

    scheme: Scheme
    rows: tuple[Marked, ...]
    lost: tuple[Loss, ...] = ()

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("there is no annotated film", remedy="Give a file with at least one")
        seen: set[tuple[str, Author | None]] = set()
        for film, marks in self.rows:
            if marks.scheme.names != self.scheme.names:
                raise InputError(
                    f"film {film.name} is marked in scheme {marks.scheme.name}, not {self.scheme.name}",
                    remedy="Keep schemes in separate studies",
                )
            if marks.film != film.name:
                raise InputError(
                    f"marks of film {marks.film} stand beside another",
                    value=film.name,
                    remedy="Name the film they are of",
                )
            if (film.name, marks.author) in seen:
                raise InputError(
                    "a film appears twice, by the same reader",
                    value=marks.who,
                    remedy="Keep one row, or tell the readings apart by a reader or a session",
                )
            seen.add((film.name, marks.author))

    @classmethod
    def gather(cls, scheme: Scheme, rows: Iterable[Marked], lost: Sequence[Loss] = ()) -> "Study":
        """A study of rows whose marks may be in parts of `scheme`."""
        return cls(scheme, tuple(Marked(film, marks.in_scheme(scheme)) for film, marks in rows), tuple(lost))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def films(self) -> tuple[Film, ...]:
        """Each film once, in the order they first appear."""
        return tuple({film.name: film for film, _ in reversed(self.rows)}[name] for name in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The films' names in the order they first appear."""
        return tuple(dict.fromkeys(film.name for film, _ in self.rows))

    @property
    def authors(self) -> tuple[Author | None, ...]:
        """Who marked, in the order they first appear."""
        return tuple(dict.fromkeys(marks.author for _, marks in self.rows))

    @property
    def readers(self) -> tuple[str | None, ...]:
        """The readers' names in the order they first appear; None for rows that name none."""
        return tuple(dict.fromkeys(marks.reader for _, marks in self.rows))

    @property
    def reader(self) -> str | None:
        """The one reader's name, where there is one."""
        return self.readers[0] if len(self.readers) == 1 else None

    def subset(self, names: Iterable[str]) -> "Study":
        """The rows of the films with these names, in the study's own order.

        Raises:
            InputError: there is no such film, or no name at all.
        """
        wanted = set(names)
        if unknown := wanted.difference(self.names):
            raise InputError("the study has no such film", value=min(unknown), remedy="Name films that are in it")
        return replace(self, rows=tuple(row for row in self.rows if row.film.name in wanted))

    def of_reader(self, reader: str) -> "Study":
        """The rows of one reader, or of one reading.

        Args:
            reader: a name, which takes all this reader's readings, or one reading as `Reader` says it: "anna, reading 2".

        Raises:
            InputError: nobody of this name read.
        """
        mine = tuple(row for row in self.rows if row.marks.reader == reader)
        mine = mine or tuple(
            row for row in self.rows if isinstance(row.marks.author, Reader) and str(row.marks.author) == reader
        )
        if not mine:
            known = sorted({str(marks.author) for _, marks in self.rows if marks.reader})
            raise InputError(
                "the study has no marks by this reader",
                value=reader,
                remedy=f"Use one of: {'; '.join(known) or 'none is named'}",
            )
        return replace(self, rows=mine)

    def by(self, author: Author) -> "Study":
        """The same with every row said to be this author's."""
        return replace(self, rows=tuple(Marked(film, marks.by(author)) for film, marks in self.rows))

    def named(self, reader: str) -> "Study":
        """The same with every row said to be this reader's; which reading it is stays."""
        rows = tuple(Marked(film, marks.by(Reader(reader, marks.reading))) for film, marks in self.rows)
        return replace(self, rows=rows)

    def in_scheme(self, scheme: Scheme) -> "Study":
        """Only the landmarks of `scheme`, in its order; what is left out is added to `lost`.

        Raises:
            InputError: not one landmark of the scheme is marked.
        """
        left: Counter[str] = Counter()
        for _, marks in self.rows:
            left.update(
                name
                for name, state in zip(marks.scheme.names, marks.states, strict=True)
                if name not in scheme.names and state != State.NOT_ANNOTATED
            )
        if left and not set(scheme.names) & set(self.scheme.names):
            raise InputError(
                f"no landmark of scheme {scheme.name} is in the file",
                value=", ".join(sorted(left)[:5]),
                remedy="Give the scheme these landmarks belong to",
            )
        why = f"not a landmark of scheme {scheme.name}"
        lost = tuple(Loss(f"landmark {name}", count, why) for name, count in sorted(left.items()))
        return Study.gather(scheme, self.rows, (*self.lost, *lost))

    def training_set(self, reader: str | None = None) -> "Study":
        """One reading per film, each film with its size and its file: what training, evaluation and benchmarks take.

        Args:
            reader: whose; None where the study has one reading per film anyway.

        Raises:
            InputError: several readings of a film, or a film without a size or a file.
        """
        chosen = self if reader is None else self.of_reader(reader)
        seen: dict[str, Marks] = {}
        for film, marks in chosen.rows:
            if film.name in seen:
                readers = ", ".join(sorted({str(author) for author in chosen.authors}))
                raise InputError(
                    "the study holds several readings of one film",
                    value=film.name,
                    remedy=f"Say whose to use (--reader): {readers}",
                )
            seen[film.name] = marks
            _ = film.frame, marks.frame
            if film.load is None and not film.is_loaded:
                raise InputError(
                    "the film's pixels are not at hand",
                    value=film.name,
                    remedy="Give the folder of the films (--films)",
                )
        return chosen

    def __repr__(self) -> str:
        readers = ", ".join(str(author) for author in self.authors if author is not None) or "nobody named"
        return f"Study of {len(self.names)} films, {len(self.rows)} readings by {readers}, {len(self.scheme)} landmarks"


def one_per_film(marks: Sequence[Marks]) -> Scheme:
    """The one scheme of marks that are each of another film, as a file of predictions needs it.

    Raises:
        InputError: none, two of one film, or of several schemes.
    """
    if not marks:
        raise InputError("there is nothing to write", remedy="Give at least one film")
    scheme = marks[0].scheme
    names: set[str] = set()
    for each in marks:
        if each.film in names:
            raise InputError(
                "two predictions have the same film name",
                value=each.film,
                remedy="Give names with their folder, or two files",
            )
        names.add(each.film)
        if each.scheme.names != scheme.names:
            raise InputError(
                f"marks in schemes {scheme.name} and {each.scheme.name} do not fit in one file",
                value=each.film,
                remedy="Write one file per scheme",
            )
    return scheme
