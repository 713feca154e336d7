"""A project: films, scheme, readers and store brought together; what a table holds already goes in, and all comes out again."""

import csv
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radmark import RESEARCH_USE, __version__
from radmark.core.dataset import Case, Dataset
from radmark.core.errors import InputError
from radmark.core.landmarks import Landmarks, State
from radmark.core.readings import Mark as Exchanged
from radmark.core.readings import Reading, Readings
from radmark.core.scheme import Scheme
from radmark.io.annotations import FORMATS, Format
from radmark.web.films import Films, LeftOut
from radmark.web.proposals import Proposer
from radmark.web.readers import Reader
from radmark.web.store import Change, Item, Mark, Order, Store

_IMPORTS = uuid.UUID("5bb1a5a3-7c2c-4c3e-9d9e-8f6a4f1c2e11")  # so that the same cell of a table is the same event


@dataclass(frozen=True, eq=False)
class Project:
    """What is annotated, by whom, and where it is kept."""

    name: str
    scheme: Scheme
    store: Store
    films: Films
    readers: tuple[Reader, ...]
    left_out: tuple[LeftOut, ...] = ()
    order: Order = "name"
    proposer: Proposer | None = None

    def reader(self, name: str) -> Reader | None:
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
    readers: Sequence[Reader],
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
    store.register(found)
    ids = {film.name: film.id for film in found}
    for reader in readers:
        firsts = reader.films(list(ids))
        store.assign(reader.name, [ids[n] for n in firsts], [ids[n] for n in reader.twice(firsts)])
    return Project(name, scheme, store, films, tuple(readers), tuple(left_out), order, proposer)


def film_name(case: Case, root: Path) -> str:
    """What the film of a case is called here: its path below the folder, suffix included."""
    return case.image.relative_to(root).as_posix()


def import_dataset(project: Project, reader: str, dataset: Dataset, root: Path) -> tuple[int, int]:
    """Take over what a table says a reader marked, once: a second time nothing happens.

    A reader who is not among the project's is kept as one whose readings are there, and who does not read.

    Returns:
        How many marks were stored, and how many passed over because the reader has changed them here since.
    """
    store = project.store
    if project.reader(reader) is None:
        ids = {film.name: film.id for film in store.films().values()}
        Reader(reader)  # raises where this is no name
        store.assign(reader, [ids[n] for case in dataset.cases if (n := film_name(case, root)) in ids])
    items = {item.name: item for item in _first_items(store, reader)}
    work: list[tuple[Item, list[Change]]] = []
    for case in dataset.cases:
        marks = case.landmarks
        item = items.get(film_name(case, root))
        if item is None:  # left out, or not this reader's
            continue
        changes: list[Change] = []
        for landmark, (x, y), state in zip(marks.scheme.names, marks.points, marks.states, strict=True):
            word = State(int(state))
            if word is State.NOT_ANNOTATED or landmark not in project.scheme.names:
                continue
            point = (float(x), float(y)) if word <= State.OCCLUDED else (None, None)
            told = json.dumps([reader, item.image, landmark, *point, word.label])
            changes.append(Change(str(uuid.uuid5(_IMPORTS, told)), 0, landmark, *point, word.label, "imported"))
        work.append((item, changes))
    return store.import_marks(reader, work)


def _first_items(store: Store, reader: str) -> Iterator[Item]:
    offset, total = 0, 1
    while offset < total:
        total, page = store.items(reader, offset=offset, limit=5000)
        yield from (item for item in page if item.reading == 1)
        offset += 5000


# ------------------------------------------------------------------------------------------------------------- export


def landmarks_of(scheme: Scheme, item: Item, marks: Mapping[str, Mark]) -> Landmarks:
    """What a reader marked on a film, on its frame."""
    points = np.full((len(scheme), 2), np.nan)
    states = np.full(len(scheme), State.NOT_ANNOTATED, np.int8)
    for name, mark in marks.items():
        k = scheme.index(name)
        states[k] = State[mark.state.upper()]
        if mark.x is not None and mark.y is not None:
            points[k] = mark.x, mark.y
    return Landmarks(scheme, item.frame, points, states)


def reader_column(item: Item) -> str:
    """Who read it, as tables say it: a second reading counts as another reader's, as all that compare readers expect."""
    return item.reader if item.reading == 1 else f"{item.reader} (reading {item.reading})"


def export_csv(project: Project, reader: str | None) -> str:
    """The annotation table `radmark train` reads (`radmark.io.table` says what is in it), with `reader` and states.

    Coordinates are as stored, to the last digit.
    """
    scheme = project.scheme
    items, marks = project.store.all_items(reader), project.store.all_marks(reader)
    patients = any(item.patient for item in items)
    header = ["image_name", "image_width", "image_height", "n_landmarks", "reader"]
    header += ["patient_id"] * patients + ["spacing_x_mm", "spacing_y_mm", "done", "comment"]
    header += [f"{name}_{what}" for name in scheme.names for what in ("x", "y", "state")]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for item in items:
        spacing = item.frame.spacing
        row = [item.name, item.frame.width, item.frame.height, len(scheme), reader_column(item)]
        row += [item.patient or item.name] * patients
        row += ["", ""] if spacing is None else [repr(spacing.x_mm), repr(spacing.y_mm)]
        row += ["yes" if item.done else "no", item.comment or ""]
        there = marks.get((item.reader, item.image, item.reading), {})
        for name in scheme.names:
            mark = there.get(name)
            placed = mark is not None and mark.x is not None and mark.y is not None
            row += [repr(mark.x), repr(mark.y)] if mark is not None and placed else ["", ""]
            row.append(State.NOT_ANNOTATED.label if mark is None else mark.state)
        writer.writerow(row)
    return text.getvalue()


def export_json(project: Project, reader: str | None) -> str:
    """Everything that stands, with how and when: absent, not annotated and never looked at are told apart."""
    items, marks = project.store.all_items(reader), project.store.all_marks(reader)
    content = {
        "schema_version": 1,
        "made_by": f"radmark {__version__}",
        "notice": RESEARCH_USE,
        "pixel_origin": "centre of the top-left pixel",
        "scheme": asdict(project.scheme),
        "readings": [_json_reading(item, marks.get((item.reader, item.image, item.reading), {})) for item in items],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _json_reading(item: Item, marks: Mapping[str, Mark]) -> dict[str, Any]:
    spacing = item.frame.spacing
    return {
        "image_name": item.name,
        "image_width": item.frame.width,
        "image_height": item.frame.height,
        "pixels_sha256": item.pixels,
        "spacing": spacing and {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value},
        "patient_id": item.patient,
        "reader": item.reader,
        "reading": item.reading,
        "done": item.done,
        "comment": item.comment,
        "calibration": item.calibration,
        "seconds": {"with_proposal": item.seconds_with, "without": item.seconds_without},
        "landmarks": {
            mark.landmark: {
                "x": mark.x, "y": mark.y, "state": mark.state, "how": mark.how, "version": mark.version, "at": mark.at
            }
            for mark in marks.values()
        },
    }  # fmt: skip


def readings_of(project: Project, reader: str | None) -> Readings:
    """What stands, of one reader or all, as other formats and agreement take it.

    Raises:
        InputError: nothing stands.
    """
    marks = project.store.all_marks(reader)
    found: list[Reading] = []
    for item in project.store.all_items(reader):
        there = marks.get((item.reader, item.image, item.reading), {})
        if there:
            found.append(
                Reading(
                    item.name,
                    {name: _exchanged(mark) for name, mark in there.items()},
                    (item.frame.width, item.frame.height),
                    item.frame.spacing,
                    item.reader,
                    "" if item.reading == 1 else str(item.reading),
                    item.patient,
                )
            )
    return Readings(project.scheme, tuple(found))


def _exchanged(mark: Mark) -> Exchanged:
    state = State[mark.state.upper()]
    return Exchanged(state) if mark.x is None or mark.y is None else Exchanged(state, mark.x, mark.y)


def _in_format(form: Format) -> Callable[[Project, str | None], str | bytes]:
    """What writes that format: its one file, or its file an image in a zip."""

    def write(project: Project, reader: str | None) -> str | bytes:
        found = readings_of(project, reader)
        if form.text is not None:
            return form.text(found)
        assert form.files is not None  # a format has one or the other
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in form.files(found).items():
                archive.writestr(name, text)
        return packed.getvalue()

    return write


def export_agreement(project: Project, reader: str | None) -> str:
    """How well the readers agree, as `radmark agree` tells it: a page of its own.

    Raises:
        InputError: no film was read twice.
    """
    from radmark.agree.agreement import agreement
    from radmark.agree.panel import panel
    from radmark.agree.report import report_page

    return report_page(agreement(panel([readings_of(project, reader)])), "How well the readers agree")


@dataclass(frozen=True)
class Export:
    """A format to export to.

    Args:
        write: the file's content, of one reader or of all.
        media: its media type.
        suffix: of its name.
        of_all: whether it is of all readers, and so for adjudicators alone.
    """

    write: Callable[[Project, str | None], str | bytes]
    media: str
    suffix: str
    of_all: bool = False


EXPORTS: Mapping[str, Export] = {
    "csv": Export(export_csv, "text/csv; charset=utf-8", ".csv"),
    "json": Export(export_json, "application/json", ".json"),
    **{
        form.name: Export(
            _in_format(form),
            "application/zip" if form.text is None else "text/plain; charset=utf-8",
            ".zip" if form.text is None else form.suffix,
        )
        for form in FORMATS.values()
        if form.name not in ("csv", "json")
    },
    "agreement": Export(export_agreement, "text/html; charset=utf-8", ".html", of_all=True),
}
"""By the name the page and the command line say. What a format cannot hold is in docs/formats.md."""
