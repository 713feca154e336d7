"""A project: films, scheme, readers and store brought together; what a table holds already goes in, and all comes out again."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from radmark.core.errors import InputError
from radmark.core.facts import FactSource
from radmark.core.film import Film
from radmark.core.marks import Mark, Marks, Origin, Reader, State
from radmark.core.scheme import Scheme
from radmark.core.study import Marked, Study
from radmark.web.accounts import Account
from radmark.web.films import Films, LeftOut, Picture
from radmark.web.proposals import Proposer
from radmark.web.reading import ORIGINS
from radmark.web.rows import Change, Item, MarkRow, Order, Registered
from radmark.web.store import Store

_IMPORTS = uuid.UUID("5bb1a5a3-7c2c-4c3e-9d9e-8f6a4f1c2e11")  # so that the same cell of a table is the same event


@dataclass(frozen=True, eq=False)
class Project:
    """What is annotated, by whom, and where it is kept."""

    name: str
    scheme: Scheme
    store: Store
    films: Films
    readers: tuple[Account, ...]
    left_out: tuple[LeftOut, ...] = ()
    order: Order = "name"
    proposer: Proposer | None = None
    registered: Registered = field(default_factory=Registered)

    def reader(self, name: str) -> Account | None:
        """A reader of this start by name."""
        return next((reader for reader in self.readers if reader.name == name), None)


def stored_scheme(store: Store) -> Scheme | None:
    """The scheme of the project a store was made for."""
    text = store.fact("scheme")
    if text is None:
        return None
    return Scheme.from_tree(json.loads(text))


def keep_scheme(store: Store, scheme: Scheme) -> None:
    """Say what a store's landmarks are. Later starts may add landmarks, and may not take any away.

    Raises:
        InputError: a landmark the project has is not in the scheme.
    """
    known = stored_scheme(store)
    missing = [name for name in known.names if name not in scheme.names] if known is not None else []
    if known is not None and missing:
        raise InputError(
            f"the project was begun with scheme {known.name}, and scheme {scheme.name} lacks a landmark of it",
            value=missing[0],
            remedy="Give the scheme it was begun with, one that adds to it, or another --project",
        )
    if known != scheme:
        store.set_fact("scheme", json.dumps(asdict(scheme)))


def open_project(
    name: str,
    scheme: Scheme,
    store: Store,
    films: Films,
    readers: Sequence[Account],
    *,
    order: Order = "name",
    proposer: Proposer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Project:
    """Look which films there are, and give each reader theirs.

    Raises:
        InputError: no film, a film changed its size since it was marked, or another scheme's store.
    """
    keep_scheme(store, scheme)
    found, left_out = films.scan(store.films(), progress)
    if not found:
        raise InputError(
            "no image found that can be annotated",
            value=left_out[0].name if left_out else None,
            remedy=f"It was left out: {left_out[0].problem}"
            if left_out
            else "Give a folder of DICOM, PNG, JPEG or TIFF images",
        )
    registered = store.register(found)
    ids = {row.film.name: row.id for row in found}
    for reader in readers:
        firsts = reader.films(list(ids))
        store.assign(reader.name, [ids[n] for n in firsts], [ids[n] for n in reader.twice(firsts)])
    return Project(name, scheme, store, films, tuple(readers), tuple(left_out), order, proposer, registered)


# ------------------------------------------------------------------------------------------------------------- import


def film_name(film: Film, root: Path) -> str:
    """What a film of a study is called here: its file's path below the folder, suffix included."""
    assert film.path is not None  # a study that goes in has its files
    return film.path.relative_to(root).as_posix()


def told_films(study: Study, root: Path) -> dict[str, Film]:
    """What a table says of its films, by the names they have here: facts and millimetres.

    What a film's own header says is not the table's to say, and a calibration on the film is its reader's alone.

    Raises:
        InputError: the table states two spacings for one film.
    """
    found: dict[str, Film] = {}
    for film, _ in study.rows:
        name = film_name(film, root)
        known = found.get(name, Film(name))
        spacing = film.spacing
        if spacing == film.file_spacing or (spacing is not None and spacing.source.on_film):
            spacing = None
        if spacing is not None and known.spacing not in (None, spacing):
            raise InputError(
                "two rows state different spacings for one film",
                value=name,
                remedy="Make them the same, or give --spacing-mm",
            )
        facts = [f for f in film.facts if f.source in (FactSource.USER, FactSource.TABLE) and f not in known.facts]
        found[name] = replace(known, spacing=spacing or known.spacing, facts=(*known.facts, *facts))
    return found


def import_study(project: Project, study: Study, root: Path, default: str) -> dict[str, tuple[int, int]]:
    """Take over what a table says its readers marked, once: a second time nothing happens.

    A reader who is not among the project's is kept as one whose readings are there, and who does not read. A second reading is
    that reader's second here, too.

    Args:
        project: where it goes.
        study: with its files.
        root: the folder the project's films are in.
        default: whose marks those are that name no person.

    Returns:
        For each reader, how many marks were stored, and how many passed over because the reader has changed them here since.

    Raises:
        InputError: two rows would be one reading of one film, a name that no reader can have, or a point outside its film.
    """
    ids = {name: row.id for name, row in project.store.films().items()}
    by_reader: dict[str, list[Marked]] = {}
    seen: set[tuple[str, str, str]] = set()
    for film, marks in study.rows:
        name, reader = film_name(film, root), marks.reader or default
        if (reader, name, marks.reading) in seen:
            raise InputError(
                f"two rows of the table would be {reader}'s reading of one film",
                value=name,
                remedy="Give another --reader: whose marks those are that name no person",
            )
        seen.add((reader, name, marks.reading))
        if name in ids:  # or left out
            by_reader.setdefault(reader, []).append(Marked(film, marks))
    return {reader: _import(project, reader, rows, root, ids) for reader, rows in by_reader.items()}


def _import(
    project: Project, reader: str, rows: Sequence[Marked], root: Path, ids: Mapping[str, str]
) -> tuple[int, int]:
    store = project.store
    Account(reader)  # raises where this is no name
    numbers = _numbers(marks.reading for _, marks in rows)
    store.keep_readings(reader, [(ids[film_name(film, root)], numbers[marks.reading]) for film, marks in rows])
    items = store.readings_by(reader)
    work: list[tuple[Item, list[Change]]] = []
    for film, marks in rows:
        item = items[film_name(film, root), numbers[marks.reading]]
        changes = [
            _change(item, name, mark, marks.model is not None)
            for name in marks.scheme.names
            if name in project.scheme.names and (mark := marks.mark(name)).state is not State.NOT_ANNOTATED
        ]
        work.append((item, changes))
        spacing = film.spacing
        if spacing is not None and spacing.source.on_film and not store.calibrated_before(item):
            kept = {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value}
            store.calibrate(item, {"kind": "imported", "mm": None, "points": [], "spacing": kept, "residual_px": None})
    return store.import_marks(reader, work)


def _numbers(readings: Iterable[str]) -> dict[str, int]:
    """Which reading each session is: "" the first, a number that one, any other word the next that is free."""
    words = list(dict.fromkeys(readings))
    numbers = {word: int(word or 1) for word in words if not word or (word.isdecimal() and 0 < int(word) < 10**6)}
    for word in words:
        if word not in numbers:
            numbers[word] = next(n for n in range(1, len(words) + 1) if n not in numbers.values())
    return numbers


def _change(item: Item, landmark: str, mark: Mark, by_model: bool) -> Change:
    """A mark of a table as the first change of its landmark; how it came to be stays what it was.

    Raises:
        InputError: the point lies outside the film.
    """
    point = mark.point if mark.placed else (None, None)
    told = [item.reader, item.image, landmark, *point, mark.state.label, *([item.reading] if item.reading > 1 else [])]
    id_ = str(uuid.uuid5(_IMPORTS, json.dumps(told)))
    if mark.placed and not item.frame.holds(np.array(mark.point)):
        raise InputError(
            f"{landmark} lies outside the image, which is {item.frame.width} wide and {item.frame.height} high",
            value=f"{item.name}: {mark.x:g}, {mark.y:g}",
            remedy="Correct the point, leave it empty, or state it absent",
        )
    origin = mark.origin or (Origin.PREDICTED if by_model else Origin.IMPORTED)
    return Change(id_, 0, landmark, *point, mark.state.label, origin.value)


# ------------------------------------------------------------------------------------------------------------- export


def marks_of(
    scheme: Scheme, item: Item, rows: Mapping[str, MarkRow], origins: Mapping[str, Origin] | None = None
) -> Marks:
    """What a reader marked on a film, on its frame.

    Args:
        scheme: the project's.
        item: which reading.
        rows: what stands.
        origins: how those came to be of which the last change does not tell (`Queries.origins`).
    """
    author = Reader(item.reader, "" if item.reading == 1 else str(item.reading))
    found = {name: _mark(row, (origins or {}).get(name) or ORIGINS.get(row.how)) for name, row in rows.items()}
    return Marks.of(scheme, item.frame, found, film=item.name, author=author)


def _mark(row: MarkRow, origin: Origin | None) -> Mark:
    state = State[row.state.upper()]
    if state is State.NOT_ANNOTATED:
        return Mark(state)
    return Mark(state, origin=origin) if row.x is None or row.y is None else Mark(state, row.x, row.y, origin=origin)


def study_of(project: Project, reader: str | None) -> Study:
    """What stands, of one reader or all: what every export, and agreement, is made from.

    Whether a reader is done, what they remark and the seconds they took are attributes of the row's film.

    Raises:
        InputError: nothing stands.
    """
    store = project.store
    marks, origins = store.all_marks(reader), store.origins(reader)
    rows: list[Marked] = []
    for item in store.all_items(reader):
        key = (item.reader, item.image, item.reading)
        film = replace(item.film, attributes=_said(item))
        rows.append(Marked(film, marks_of(project.scheme, item, marks.get(key, {}), origins.get(key))))
    return Study(project.scheme, tuple(rows))


def _said(item: Item) -> dict[str, str]:
    said = {"done": "yes" if item.done else "no"}
    if item.comment:
        said["comment"] = item.comment
    for name, seconds in (
        ("seconds", item.seconds_with + item.seconds_without),
        ("seconds_with_proposal", item.seconds_with),
    ):
        if seconds:
            said[name] = f"{seconds:.1f}"
    return said


def examined(item: Item, picture: Picture) -> Film:
    """The film of an item with all that is known of it: by its file as it is now, and by whoever told the project."""
    told = [fact for fact in item.film.facts if fact.source is not FactSource.HEADER]
    return replace(
        item.film,
        facts=(*told, *picture.film.facts),
        notes=picture.film.notes,
        file_spacing=picture.film.file_spacing,
    )
