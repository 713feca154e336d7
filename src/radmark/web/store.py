"""What readers did, kept so that nothing acknowledged is ever lost: an append-only list of events, and tables derived from it.

SQLite in the project's folder, or PostgreSQL by URL, through SQLAlchemy. A write returns after its commit is on the disk: SQLite
in WAL mode with `synchronous = FULL`, PostgreSQL with `synchronous_commit = on`. Neither lets an event be changed or deleted:
triggers in the database refuse it, whoever asks.

Who marks what: an *item* is one reading of one film by one reader. Points are in pixels of the upright image, x right and y down,
(0, 0) the centre of the top-left pixel. `version` counts the changes of one landmark of one item from 1. A change names the
version it was made on, and is refused where that is no longer the current one: nobody overwrites what they have not seen.
"""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine

from radmark.core.errors import InputError, RadmarkError
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.landmarks import State

SCHEMA_VERSION = 1
"""Of the tables. A store of another version is refused, never guessed at."""

PLACED = (State.PRESENT.label, State.OCCLUDED.label)
MARKED = (*PLACED, State.ABSENT.label)

How = Literal["placed", "moved", "keyed", "accepted", "adjudicated", "state", "undo", "imported"]
Order = Literal["name", "uncertainty"]
Progress = Literal["all", "untouched", "started", "done", "todo", "commented"]

_T = TypeVar("_T")
_tables = sa.MetaData()
_Name = sa.String(200)
_Time = sa.String(27)  # 2026-01-31T12:00:00.123456Z: the same text in both databases, and in order
_Id = sa.String(20)
_Number = sa.Double()
_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_meta = sa.Table(
    "radmark_meta",
    _tables,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

_images = sa.Table(
    "images",
    _tables,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("name", sa.String(1000), nullable=False, unique=True),
    sa.Column("ordinal", sa.Integer, nullable=False),  # place in the natural order of names
    sa.Column("here", sa.Boolean, nullable=False),  # whether the file was there at the last start
    sa.Column(
        "stamp", sa.String(60), nullable=False
    ),  # size and time of change of the file, so that it is measured once
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("spacing_x_mm", _Number),
    sa.Column("spacing_y_mm", _Number),
    sa.Column("spacing_source", sa.String(40)),
    sa.Column("patient", sa.String(200)),
    sa.Column("pixels", sa.String(64)),  # sha256; known once somebody opened the film
)

_readers = sa.Table(
    "readers",
    _tables,
    sa.Column("name", _Name, primary_key=True),
    sa.Column("since", _Time, nullable=False),
)

_items = sa.Table(  # assignments, and what follows from everything said about them
    "items",
    _tables,
    sa.Column("reader", _Name, sa.ForeignKey("readers.name"), primary_key=True),
    sa.Column("image", _Id, sa.ForeignKey("images.id"), primary_key=True),
    sa.Column("reading", sa.Integer, primary_key=True),
    sa.Column("item", _Id, nullable=False),
    sa.Column("assigned", sa.Boolean, nullable=False),
    sa.Column("opens", _Time),  # a second reading: when the first is done and has been forgotten; null: not yet
    sa.Column("n_placed", sa.Integer, nullable=False, default=0),
    sa.Column("n_marked", sa.Integer, nullable=False, default=0),
    sa.Column("done", sa.Boolean, nullable=False, default=False),
    sa.Column("comment", sa.Text),
    sa.Column("calibration", sa.Text),
    sa.Column("seconds_with", _Number, nullable=False, default=0.0),
    sa.Column("seconds_without", _Number, nullable=False, default=0.0),
    sa.UniqueConstraint("reader", "item"),
)

_events = sa.Table(
    "events",
    _tables,
    sa.Column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(36), nullable=False, unique=True),  # the client's: a retry is stored once
    sa.Column("at", _Time, nullable=False),
    sa.Column("reader", _Name, nullable=False),
    sa.Column("reading", sa.Integer, nullable=False),
    sa.Column("image", _Id, nullable=False),
    sa.Column("pixels", sa.String(64)),  # sha256 of what was looked at; null: imported, nobody looked
    sa.Column("landmark", _Name, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("from_x", _Number),
    sa.Column("from_y", _Number),
    sa.Column("from_state", sa.String(13), nullable=False),
    sa.Column("x", _Number),
    sa.Column("y", _Number),
    sa.Column("state", sa.String(13), nullable=False),
    sa.Column("how", sa.String(12), nullable=False),
    sa.Column("model", sa.String(200)),  # whose proposal was accepted
    # The last word on two writers at once: a version of a landmark exists once, whatever the code above it believes.
    sa.UniqueConstraint("reader", "reading", "image", "landmark", "version"),
)

_current = sa.Table(
    "current_marks",
    _tables,
    sa.Column("reader", _Name, primary_key=True),
    sa.Column("image", _Id, primary_key=True),
    sa.Column("reading", sa.Integer, primary_key=True),
    sa.Column("landmark", _Name, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("x", _Number),
    sa.Column("y", _Number),
    sa.Column("state", sa.String(13), nullable=False),
    sa.Column("how", sa.String(12), nullable=False),
    sa.Column("at", _Time, nullable=False),
)

_remarks = sa.Table(  # comments, calibrations, done and times: also only ever added to
    "remarks",
    _tables,
    sa.Column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(36), unique=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("reader", _Name, nullable=False),
    sa.Column("reading", sa.Integer, nullable=False),
    sa.Column("image", _Id, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),  # comment, calibration, done, time
    sa.Column("content", sa.Text, nullable=False),  # JSON
)

_proposals = sa.Table(
    "proposals",
    _tables,
    sa.Column("image", _Id, primary_key=True),
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("pixels", sa.String(64), nullable=False),
    sa.Column("uncertainty", _Number),
    sa.Column("content", sa.Text, nullable=False),  # JSON
)

_sessions = sa.Table(
    "sessions",
    _tables,
    sa.Column(
        "secret", sa.String(64), primary_key=True
    ),  # its sha256; the secret itself is only in the reader's browser
    sa.Column("reader", _Name, nullable=False),
    sa.Column("ends", _Time, nullable=False),
)

sa.Index("images_by_name", _images.c.here, _images.c.ordinal)
_APPEND_ONLY = ("events", "remarks")


class StoreUnavailable(RadmarkError):  # noqa: N818 - it says what is the case
    """The store could not be read or written just now; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Film:
    """An image file: `name` relative to the folder, with forward slashes; `stamp` is another one once the file was changed."""

    name: str
    stamp: str
    frame: Frame
    patient: str | None = None

    @property
    def id(self) -> str:
        """What the page calls it: it tells nothing of the name, and is the same in every start."""
        return item_id(self.name, 1)


def item_id(name: str, reading: int) -> str:
    """20 hexadecimal digits for a reading of an image."""
    return hashlib.sha256(f"radmark {reading} {name}".encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Mark:
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

    mark: Mark
    repeated: bool
    n_placed: int
    n_marked: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A change that was not stored, since it was made on another version than what stands (None: nothing does)."""

    current: Mark | None


@dataclass(frozen=True, slots=True)
class Item:
    """One reading of one film by one reader, with what follows from everything they did."""

    id: str
    reader: str
    reading: int
    image: str
    name: str
    frame: Frame  # its spacing is the reader's own calibration, where there is one
    pixels: str | None
    patient: str | None
    n_placed: int
    n_marked: int
    done: bool
    comment: str | None
    calibration: Mapping[str, Any] | None
    seconds_with: float
    seconds_without: float
    uncertainty: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of a reader."""

    items: int
    done: int
    started: int
    untouched: int


class _Job(Generic[_T]):
    def __init__(self, work: Callable[[Connection], _T]) -> None:
        self.work = work
        self.finished = False
        self.value: _T | None = None
        self.error: Exception | None = None


def now() -> str:
    """The time in UTC as it stands in the store."""
    return _text(datetime.now(UTC))


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Store:
    """The readings of one project. Any number of threads may use it; several processes may open the same one.

    Args:
        url: of SQLAlchemy, `sqlite:///…` or `postgresql+psycopg://…`.

    Raises:
        InputError: it cannot be opened, or was written by another version of radmark.
    """

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite")
        self._shown = "that --db"  # an address that cannot be made sense of may hold a password anywhere
        self._lock = threading.Lock()
        self._queue: deque[_Job[Any]] = deque()
        self._engine = self._opened(url)
        try:
            self._prepare()
        except InputError:
            self._engine.dispose()
            raise
        except exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise InputError(
                f"the store cannot be opened: {_reason(error)}",
                value=self._shown,
                remedy="Check that the database is there, running and yours to write",
            ) from error

    @classmethod
    def at(cls, file: Path) -> "Store":
        """SQLite in a file, made where it is not there.

        Raises:
            InputError: as the class, or the folder cannot be made.
        """
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the project's folder cannot be made: {error.strerror}",
                file=file.parent,
                remedy="Give a folder you may write to with --project",
            ) from error
        return cls(f"sqlite:///{file}")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # ------------------------------------------------------------------------------------------------ opening

    def _opened(self, url: str) -> Engine:
        try:
            self._shown = sa.make_url(url).render_as_string(hide_password=True)
            if self._sqlite:
                engine = sa.create_engine(url, pool_size=20, max_overflow=80)
                event.listen(engine, "connect", _sqlite_connected)
                event.listen(engine, "begin", _sqlite_begin)
                return engine
            engine = sa.create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True)
            event.listen(engine, "connect", _postgres_connected)
            return engine
        except (exc.ArgumentError, ModuleNotFoundError) as error:
            raise InputError(
                f"this database cannot be used: {error}",
                value=self._shown,
                remedy='Give --db postgresql+psycopg://USER@HOST/NAME, after: pip install "radmark[postgres]"',
            ) from error

    def _prepare(self) -> None:
        with self._engine.connect().execution_options(radmark_write=True) as c, c.begin():
            if not self._sqlite:  # two servers that start together make the tables once
                c.execute(sa.text("SELECT pg_advisory_xact_lock(7261646)"))
            if not sa.inspect(c).has_table(_meta.name):
                foreign = [name for name in sa.inspect(c).get_table_names() if name in _tables.tables]
                if foreign:
                    raise InputError(
                        "the database has a table of this name that radmark did not make",
                        file=self._shown,
                        value=foreign[0],
                        remedy="Give radmark a database of its own",
                    )
                _tables.create_all(c)
                for table in _APPEND_ONLY:
                    for statement in _sqlite_guards(table) if self._sqlite else _postgres_guards(table):
                        c.execute(sa.text(statement))
                c.execute(_meta.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
                c.execute(_meta.insert().values(key="made", value=now()))
                return
            found = c.execute(sa.select(_meta.c.value).where(_meta.c.key == "schema_version")).scalar()
        if found != str(SCHEMA_VERSION):
            newer = (found or "").isdigit() and int(found or 0) > SCHEMA_VERSION
            raise InputError(
                f"the store has version {found}, this radmark reads and writes {SCHEMA_VERSION}",
                file=self._shown,
                remedy="Update radmark"
                if newer
                else "Export it with the radmark that made it, and import the table here",
            )

    # ------------------------------------------------------------------------------------------- transactions

    def _write(self, work: Callable[[Connection], _T]) -> _T:
        """Do it in a transaction, and return when that is on the disk.

        SQLite has one writer, and waits for the disk at each commit. So what has gathered behind the commit before goes together
        into the next one: whoever holds the lock does the work of all who wait for it, each in a savepoint of its own.

        Raises:
            StoreUnavailable: nothing was stored.
        """
        if not self._sqlite:
            try:
                with self._engine.begin() as c:
                    return work(c)
            except exc.IntegrityError:
                raise
            except exc.SQLAlchemyError as error:
                raise StoreUnavailable(_reason(error)) from error
        job = _Job(work)
        self._queue.append(job)
        with self._lock:
            if not job.finished:
                self._commit_waiting()
        if job.error is not None:
            raise job.error
        return cast("_T", job.value)

    def _commit_waiting(self) -> None:
        jobs: list[_Job[Any]] = []
        while self._queue:
            jobs.append(self._queue.popleft())
        try:
            with self._engine.connect().execution_options(radmark_write=True) as c, c.begin():
                for job in jobs:
                    try:
                        with c.begin_nested():
                            job.value = job.work(c)
                    except exc.OperationalError:
                        raise
                    except Exception as error:
                        job.error = error
        except Exception as error:
            for job in jobs:
                job.error = StoreUnavailable(_reason(error))
        for job in jobs:
            job.finished = True

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        try:
            with self._engine.connect() as c:
                yield c
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable(_reason(error)) from error

    # ------------------------------------------------------------------------------------ project and films

    def fact(self, key: str) -> str | None:
        """What `set_fact` stored."""
        with self._reading() as c:
            return c.execute(sa.select(_meta.c.value).where(_meta.c.key == key)).scalar()

    def set_fact(self, key: str, value: str) -> None:
        """Keep a text about the whole project."""

        def work(c: Connection) -> None:
            if not c.execute(_meta.update().where(_meta.c.key == key).values(value=value)).rowcount:
                c.execute(_meta.insert().values(key=key, value=value))

        self._write(work)

    def films(self) -> dict[str, Film]:
        """Every film there ever was, by name."""
        with self._reading() as c:
            return {
                row.name: Film(row.name, row.stamp, Frame(row.width, row.height, _spacing(row)), row.patient)
                for row in c.execute(sa.select(_images))
            }

    def register(self, films: Sequence[Film]) -> None:
        """These films, in this order, are here now; others stay in the store and are not shown.

        Raises:
            InputError: a film that was marked has another size now.
        """

        def work(c: Connection) -> None:
            known = {row.id: row for row in c.execute(sa.select(_images))}
            marked = set(c.execute(sa.select(_current.c.image).distinct()).scalars())
            new: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            for ordinal, film in enumerate(films):
                spacing = film.frame.spacing
                row = {
                    "name": film.name,
                    "ordinal": ordinal,
                    "here": True,
                    "stamp": film.stamp,
                    "width": film.frame.width,
                    "height": film.frame.height,
                    "spacing_x_mm": spacing and spacing.x_mm,
                    "spacing_y_mm": spacing and spacing.y_mm,
                    "spacing_source": spacing and spacing.source.value,
                    "patient": film.patient,
                }
                old = known.get(film.id)
                if old is None:
                    new.append({"id": film.id, **row})
                    continue
                if film.id in marked and (old.width, old.height) != (film.frame.width, film.frame.height):
                    raise InputError(
                        f"the image was {old.width} x {old.height} when it was marked, and is another size now",
                        file=film.name,
                        value=f"{film.frame.width} x {film.frame.height}",
                        remedy="Put the image back that was marked, or give the new one another name",
                    )
                if any(getattr(old, key) != value for key, value in row.items()):
                    changed.append({"b_id": film.id, **row})
            gone = set(known) - {film.id for film in films}
            absent = [{"b_id": id_, "here": False} for id_ in gone if known[id_].here]
            if new:
                c.execute(_images.insert(), new)
            for rows in (changed, absent):
                if rows:
                    values = {key: sa.bindparam(key) for key in rows[0] if key != "b_id"}
                    c.execute(_images.update().where(_images.c.id == sa.bindparam("b_id")).values(values), rows)

        self._write(work)

    def saw(self, image: str, pixels: str) -> bool:
        """Whether an image's pixels are those that were seen before; what nobody has marked yet may change."""

        def work(c: Connection) -> bool:
            old = c.execute(sa.select(_images.c.pixels).where(_images.c.id == image)).scalar()
            if old == pixels:
                return True
            looked = sa.select(_events.c.id).where(_events.c.image == image, _events.c.pixels.is_not(None)).limit(1)
            if old is not None and c.execute(looked).first() is not None:
                return False
            c.execute(_images.update().where(_images.c.id == image).values(pixels=pixels))
            return True

        return self._write(work)

    # ------------------------------------------------------------------------------------- readers and items

    def assign(self, reader: str, firsts: Sequence[str], seconds: Sequence[str] = ()) -> None:
        """Exactly these images (ids) are the reader's to read, and some of them a second time. What was read stays stored."""

        def work(c: Connection) -> None:
            if c.execute(sa.select(_readers.c.name).where(_readers.c.name == reader)).first() is None:
                c.execute(_readers.insert().values(name=reader, since=now()))
            wanted = {(image, 1) for image in firsts} | {(image, 2) for image in seconds}
            had = {
                (row.image, row.reading): row.assigned
                for row in c.execute(
                    sa.select(_items.c.image, _items.c.reading, _items.c.assigned).where(_items.c.reader == reader)
                )
            }
            names = {row.id: row.name for row in c.execute(sa.select(_images.c.id, _images.c.name))}
            new = [
                {"reader": reader, "image": i, "reading": n, "item": item_id(names[i], n), "assigned": True}
                for i, n in sorted(wanted - set(had))
            ]
            other = [
                {"b_image": i, "b_reading": n, "b_assigned": (i, n) in wanted}
                for (i, n), assigned in had.items()
                if assigned != ((i, n) in wanted)
            ]
            if new:
                c.execute(_items.insert(), new)
            if other:
                where = (
                    _items.c.reader == reader,
                    _items.c.image == sa.bindparam("b_image"),
                    _items.c.reading == sa.bindparam("b_reading"),
                )
                c.execute(_items.update().where(*where).values(assigned=sa.bindparam("b_assigned")), other)

        self._write(work)

    def readers(self) -> tuple[str, ...]:
        """Everybody who ever read here."""
        with self._reading() as c:
            return tuple(c.execute(sa.select(_readers.c.name).order_by(_readers.c.name)).scalars())

    def items(
        self,
        reader: str,
        *,
        progress: Progress = "all",
        contains: str = "",
        order: Order = "name",
        offset: int = 0,
        limit: int = 100,
        model: str | None = None,
    ) -> tuple[int, tuple[Item, ...]]:
        """How many of a reader's items there are of this kind, and a page of them. `model` says whose uncertainty is meant."""
        where = [*_open(reader), *_PROGRESS[progress]]
        if contains:
            where.append(_images.c.name.icontains(contains, autoescape=True))
        joined = _items.join(_images, _images.c.id == _items.c.image)
        by: list[Any] = [_images.c.ordinal, _items.c.reading]
        query = _item_query(model)
        if order == "uncertainty":
            by = [_proposals.c.uncertainty.is_(None), _proposals.c.uncertainty.desc(), *by]
        with self._reading() as c:
            total = c.execute(sa.select(sa.func.count()).select_from(joined).where(*where)).scalar_one()
            rows = c.execute(query.where(*where).order_by(*by).offset(offset).limit(limit))
            return total, tuple(_item(row) for row in rows)

    def item(self, reader: str, item: str, model: str | None = None) -> Item | None:
        """A reader's item by its id, None where there is none or it is not theirs to read now."""
        with self._reading() as c:
            row = c.execute(_item_query(model).where(*_open(reader), _items.c.item == item)).first()
            return None if row is None else _item(row)

    def neighbours(self, item: Item) -> tuple[str | None, str | None]:
        """The ids of the items before and after it in the order of names."""
        joined = _items.join(_images, _images.c.id == _items.c.image)
        place = sa.tuple_(_images.c.ordinal, _items.c.reading)
        with self._reading() as c:
            here = c.execute(sa.select(_images.c.ordinal).where(_images.c.id == item.image)).scalar_one()
            at = sa.tuple_(sa.literal(here), sa.literal(item.reading))
            base = sa.select(_items.c.item).select_from(joined).where(*_open(item.reader)).limit(1)
            before = base.where(place < at).order_by(_images.c.ordinal.desc(), _items.c.reading.desc())
            after = base.where(place > at).order_by(_images.c.ordinal, _items.c.reading)
            return c.execute(before).scalar(), c.execute(after).scalar()

    def counts(self, reader: str) -> Counts:
        """How far a reader is."""
        joined = _items.join(_images, _images.c.id == _items.c.image)
        done = sa.func.coalesce(sa.func.sum(sa.case((_items.c.done, 1), else_=0)), 0)
        started = sa.func.coalesce(
            sa.func.sum(sa.case((sa.and_(~_items.c.done, _items.c.n_marked > 0), 1), else_=0)), 0
        )
        with self._reading() as c:
            row = c.execute(
                sa.select(sa.func.count().label("n"), done.label("done"), started.label("started"))
                .select_from(joined)
                .where(*_open(reader))
            ).one()
        return Counts(row.n, int(row.done), int(row.started), row.n - int(row.done) - int(row.started))

    def readings(self, image: str) -> tuple[Item, ...]:
        """Every reader's items of an image that hold a mark, first readings first."""
        with self._reading() as c:
            query = _item_query(None).where(_items.c.image == image, _items.c.n_marked > 0)
            return tuple(_item(row) for row in c.execute(query.order_by(_items.c.reading, _items.c.reader)))

    def all_items(self, reader: str | None = None) -> tuple[Item, ...]:
        """All items that hold a mark, in the order of names; of one reader, or of all."""
        query = _item_query(None).where(_items.c.n_marked > 0)
        if reader is not None:
            query = query.where(_items.c.reader == reader)
        with self._reading() as c:
            rows = c.execute(query.order_by(_items.c.reader, _items.c.reading, _images.c.ordinal, _images.c.name))
            return tuple(_item(row) for row in rows)

    def mean_seconds(self, reader: str) -> dict[str, float | int | None]:
        """Mean seconds a done image took, with and without proposals, and how many images these are."""
        with_ = _items.c.seconds_with > 0
        total = _items.c.seconds_with + _items.c.seconds_without
        found: dict[str, float | int | None] = {}
        with self._reading() as c:
            for word, condition in (("with_proposal", with_), ("without", sa.and_(~with_, total > 0))):
                n, mean = c.execute(
                    sa.select(sa.func.count(), sa.func.avg(total)).where(
                        _items.c.reader == reader, _items.c.done, condition
                    )
                ).one()
                found[word] = None if mean is None else float(mean)
                found["n_with" if word == "with_proposal" else "n_without"] = n
        return found

    # ------------------------------------------------------------------------------------------------- marking

    def mark(self, item: Item, change: Change) -> Stored | Conflict:
        """Store a change, once, or say what stands instead. When this returns, it is on the disk.

        Raises:
            InputError: the event id was used for another change.
            StoreUnavailable: nothing was stored.
        """
        try:
            return self._write(lambda c: _mark(c, item, change))
        except exc.IntegrityError:
            # Somebody else's process stored this very version, or this very event, between our look and our insert.
            return self._write(lambda c: _mark(c, item, change))

    def marks(self, item: Item) -> dict[str, Mark]:
        """What stands for each landmark of an item; those never touched are not in it."""
        with self._reading() as c:
            query = sa.select(_current).where(*_of(_current, item))
            return {row.landmark: _mark_of(row) for row in c.execute(query)}

    def all_marks(self, reader: str | None = None) -> dict[tuple[str, str, int], dict[str, Mark]]:
        """The same for all items: (reader, image id, reading) -> landmark -> mark."""
        query = sa.select(_current) if reader is None else sa.select(_current).where(_current.c.reader == reader)
        found: dict[tuple[str, str, int], dict[str, Mark]] = {}
        with self._reading() as c:
            for row in c.execute(query):
                found.setdefault((row.reader, row.image, row.reading), {})[row.landmark] = _mark_of(row)
        return found

    def derived(self) -> dict[tuple[str, str, int], dict[str, Mark]]:
        """What `all_marks` has to be, computed from the events alone."""
        found: dict[tuple[str, str, int], dict[str, Mark]] = {}
        with self._reading() as c:
            for row in c.execute(sa.select(_events).order_by(_events.c.id)):
                found.setdefault((row.reader, row.image, row.reading), {})[row.landmark] = _mark_of(row)
        return found

    def event_ids(self) -> set[str]:
        """The client's ids of all events."""
        with self._reading() as c:
            return set(c.execute(sa.select(_events.c.event_id)).scalars())

    def import_marks(self, reader: str, items: Sequence[tuple[Item, Sequence[Change]]]) -> tuple[int, int]:
        """Store one reader's first marks, which come from a file, all or none.

        Returns:
            How many were stored, and how many not because the reader's landmark says something else already. Those stored
            before are neither.
        """

        def work(c: Connection) -> tuple[int, int]:
            stored = set(c.execute(sa.select(_events.c.event_id).where(_events.c.reader == reader)).scalars())
            key = (_current.c.image, _current.c.reading, _current.c.landmark)
            there = {tuple(row) for row in c.execute(sa.select(*key).where(_current.c.reader == reader))}
            events: list[dict[str, Any]] = []
            marks: list[dict[str, Any]] = []
            counts: list[dict[str, Any]] = []
            late, at = 0, now()
            for item, changes in items:
                new = [change for change in changes if change.event_id not in stored]
                first = [change for change in new if (item.image, item.reading, change.landmark) not in there]
                late += len(new) - len(first)
                for change in first:
                    row = {"reader": reader, "reading": item.reading, "image": item.image, "landmark": change.landmark}
                    row |= {
                        "version": 1,
                        "x": change.x,
                        "y": change.y,
                        "state": change.state,
                        "how": change.how,
                        "at": at,
                    }
                    marks.append(row)
                    events.append({**row, "event_id": change.event_id, "from_state": State.NOT_ANNOTATED.label})
                if first:
                    placed, marked = (sum(change.state in kind for change in first) for kind in (PLACED, MARKED))
                    count = {"b_image": item.image, "b_reading": item.reading, "b_placed": placed, "b_marked": marked}
                    counts.append(count)
            if events:
                c.execute(_events.insert(), events)
                c.execute(_current.insert(), marks)
                c.execute(
                    _items.update()
                    .where(_items.c.reader == reader, _items.c.image == sa.bindparam("b_image"))
                    .where(_items.c.reading == sa.bindparam("b_reading"))
                    .values(
                        n_placed=_items.c.n_placed + sa.bindparam("b_placed"),
                        n_marked=_items.c.n_marked + sa.bindparam("b_marked"),
                    ),
                    counts,
                )
            return len(events), late

        return self._write(work)

    # ------------------------------------------------------------------------------------------------- remarks

    def comment(self, item: Item, text: str) -> None:
        """What the reader says of the image; an empty text takes it back."""
        self._remark(item, "comment", text, {"comment": text or None})

    def calibrate(self, item: Item, calibration: Mapping[str, Any] | None) -> None:
        """What the reader measured; it holds `spacing`. None takes it back."""
        text = None if calibration is None else json.dumps(dict(calibration))
        self._remark(item, "calibration", None if calibration is None else dict(calibration), {"calibration": text})

    def finish(self, item: Item, done: bool, second_after_days: float = 0.0) -> None:
        """The reader is done with the image, or not after all. A first reading that is done opens the second, after a while."""

        def work(c: Connection) -> None:
            _add_remark(c, item, "done", done)
            _update_item(c, item, {"done": done})
            if item.reading == 1:
                opens = _text(datetime.now(UTC) + timedelta(days=second_after_days)) if done else None
                c.execute(
                    _items.update()
                    .where(_items.c.reader == item.reader, _items.c.image == item.image, _items.c.reading == 2)
                    .where(_items.c.n_marked == 0)
                    .values(opens=opens)
                )

        self._write(work)

    def spent(self, item: Item, event_id: str, seconds: float, *, with_proposal: bool) -> float:
        """Add to the time an image took, once for each event id; the sum so far in seconds."""

        def work(c: Connection) -> float:
            _lock(c, item)
            known = c.execute(sa.select(_remarks.c.id).where(_remarks.c.event_id == event_id)).first()
            if known is None:
                _add_remark(c, item, "time", {"seconds": seconds, "with_proposal": with_proposal}, event_id)
                column = _items.c.seconds_with if with_proposal else _items.c.seconds_without
                _update_item(c, item, {column.name: column + seconds})
            row = c.execute(sa.select(_items.c.seconds_with, _items.c.seconds_without).where(*_of(_items, item))).one()
            return row.seconds_with + row.seconds_without

        return self._write(work)

    def _remark(self, item: Item, kind: str, content: Any, values: Mapping[str, Any]) -> None:
        def work(c: Connection) -> None:
            _add_remark(c, item, kind, content)
            _update_item(c, item, values)

        self._write(work)

    # ----------------------------------------------------------------------------------------------- proposals

    def proposal(self, image: str, model: str) -> Mapping[str, Any] | None:
        """What a model said of an image: `pixels`, `uncertainty` and its own content."""
        with self._reading() as c:
            query = sa.select(_proposals).where(_proposals.c.image == image, _proposals.c.model == model)
            row = c.execute(query).first()
            if row is None:
                return None
            return {"pixels": row.pixels, "uncertainty": row.uncertainty, **json.loads(row.content)}

    def propose(
        self, image: str, model: str, pixels: str, uncertainty: float | None, content: Mapping[str, Any]
    ) -> None:
        """Keep what a model says of an image. It is nobody's reading."""

        def work(c: Connection) -> None:
            where = (_proposals.c.image == image, _proposals.c.model == model)
            c.execute(_proposals.delete().where(*where))
            c.execute(
                _proposals.insert().values(
                    image=image, model=model, pixels=pixels, uncertainty=uncertainty, content=json.dumps(dict(content))
                )
            )

        self._write(work)

    def without_proposal(self, model: str) -> tuple[tuple[str, str], ...]:
        """(id, name) of the images here that a model has not seen, in the order of names."""
        seen = sa.select(_proposals.c.image).where(_proposals.c.model == model)
        query = sa.select(_images.c.id, _images.c.name).where(_images.c.here, _images.c.id.not_in(seen))
        with self._reading() as c:
            return tuple((row.id, row.name) for row in c.execute(query.order_by(_images.c.ordinal)))

    # ------------------------------------------------------------------------------------------------ sessions

    def open_session(self, secret: str, reader: str, days: float) -> None:
        """Remember a browser. `secret` is kept as its hash only."""
        ends = _text(datetime.now(UTC) + timedelta(days=days))

        def work(c: Connection) -> None:
            c.execute(_sessions.delete().where(_sessions.c.ends < now()))
            c.execute(_sessions.insert().values(secret=_hash(secret), reader=reader, ends=ends))

        self._write(work)

    def session(self, secret: str) -> str | None:
        """The reader whose browser this is, None where nobody's."""
        with self._reading() as c:
            query = sa.select(_sessions.c.reader).where(_sessions.c.secret == _hash(secret), _sessions.c.ends > now())
            return c.execute(query).scalar()

    def close_session(self, secret: str) -> None:
        """Forget a browser."""
        self._write(lambda c: c.execute(_sessions.delete().where(_sessions.c.secret == _hash(secret))) and None)


# -------------------------------------------------------------------------------------------------- inside a transaction


def _mark(c: Connection, item: Item, change: Change) -> Stored | Conflict:
    counts = _lock(c, item)
    known = c.execute(sa.select(_events).where(_events.c.event_id == change.event_id)).first()
    if known is not None:
        there = (known.reader, known.reading, known.image, known.landmark, known.x, known.y, known.state)
        if there != (item.reader, item.reading, item.image, change.landmark, change.x, change.y, change.state):
            raise InputError(
                "this event id was used for another change",
                value=change.event_id,
                remedy="Make a new id for every change, and repeat one only with the same content",
            )
        return Stored(_mark_of(known), True, counts.n_placed, counts.n_marked)
    old = c.execute(sa.select(_current).where(*_of(_current, item), _current.c.landmark == change.landmark)).first()
    version, at = 0 if old is None else int(old.version), now()
    if change.base_version != version:
        return Conflict(None if old is None else _mark_of(old))
    state = State.NOT_ANNOTATED.label if old is None else old.state
    key = {"reader": item.reader, "reading": item.reading, "image": item.image, "landmark": change.landmark}
    new = {"version": version + 1, "x": change.x, "y": change.y, "state": change.state, "how": change.how, "at": at}
    c.execute(
        _events.insert().values(
            **key,
            **new,
            event_id=change.event_id,
            pixels=item.pixels,
            from_x=None if old is None else old.x,
            from_y=None if old is None else old.y,
            from_state=state,
            model=change.model,
        )
    )
    if old is None:
        c.execute(_current.insert().values(**key, **new))
    else:
        c.execute(_current.update().where(*(_current.c[name] == value for name, value in key.items())).values(**new))
    n_placed = counts.n_placed + (change.state in PLACED) - (state in PLACED)
    n_marked = counts.n_marked + (change.state in MARKED) - (state in MARKED)
    if (n_placed, n_marked) != (counts.n_placed, counts.n_marked):
        _update_item(c, item, {"n_placed": n_placed, "n_marked": n_marked})
    mark = Mark(change.landmark, change.x, change.y, change.state, change.how, version + 1, item.reader, at)
    return Stored(mark, False, n_placed, n_marked)


def _lock(c: Connection, item: Item) -> Any:
    """The item's row, which nobody else may change until the transaction ends (SQLite has one writer anyway)."""
    return c.execute(sa.select(_items.c.n_placed, _items.c.n_marked).where(*_of(_items, item)).with_for_update()).one()


def _of(table: sa.Table, item: Item) -> tuple[Any, ...]:
    return table.c.reader == item.reader, table.c.image == item.image, table.c.reading == item.reading


def _add_remark(c: Connection, item: Item, kind: str, content: Any, event_id: str | None = None) -> None:
    c.execute(
        _remarks.insert().values(
            event_id=event_id,
            at=now(),
            reader=item.reader,
            reading=item.reading,
            image=item.image,
            kind=kind,
            content=json.dumps(content),
        )
    )


def _update_item(c: Connection, item: Item, values: Mapping[str, Any]) -> None:
    c.execute(_items.update().where(*_of(_items, item)).values(**values))


def _open(reader: str) -> tuple[Any, ...]:
    """What a reader may read now."""
    ready = sa.or_(_items.c.reading == 1, _items.c.opens <= now())
    return _items.c.reader == reader, _items.c.assigned, _images.c.here, ready


_PROGRESS: Mapping[Progress, tuple[Any, ...]] = {
    "all": (),
    "untouched": (~_items.c.done, _items.c.n_marked == 0),
    "started": (~_items.c.done, _items.c.n_marked > 0),
    "done": (_items.c.done,),
    "todo": (~_items.c.done,),
    "commented": (_items.c.comment.is_not(None),),
}


def _item_query(model: str | None) -> sa.Select[Any]:
    about = sa.and_(_proposals.c.image == _images.c.id, _proposals.c.model == (model or ""))
    joined = _items.join(_images, _images.c.id == _items.c.image).outerjoin(_proposals, about)
    columns = [column for column in _images.c if column.name not in ("id", "stamp", "here", "ordinal")]
    return sa.select(*_items.c, *columns, _proposals.c.uncertainty).select_from(joined)


def _item(row: Any) -> Item:
    calibration = None if row.calibration is None else json.loads(row.calibration)
    spacing = _spacing(row)
    if calibration is not None:
        own = calibration["spacing"]
        spacing = Spacing(own["x_mm"], own["y_mm"], SpacingSource.KNOWN_DISTANCE)
    return Item(
        row.item, row.reader, row.reading, row.image, row.name, Frame(row.width, row.height, spacing), row.pixels,
        row.patient, row.n_placed, row.n_marked, row.done, row.comment, calibration, row.seconds_with,
        row.seconds_without, row.uncertainty,
    )  # fmt: skip


def _spacing(row: Any) -> Spacing | None:
    if row.spacing_source is None:
        return None
    return Spacing(row.spacing_x_mm, row.spacing_y_mm, SpacingSource(row.spacing_source))


def _mark_of(row: Any) -> Mark:
    return Mark(row.landmark, row.x, row.y, row.state, row.how, row.version, row.reader, row.at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------- the two databases


def _sqlite_connected(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # sqlite3 would begin transactions when it likes; `_sqlite_begin` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 20000")
    mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise InputError(
            "SQLite cannot keep its log beside the database here, so nothing would be safe",
            value=mode,
            remedy="Put the project on a local disk with --project, or use PostgreSQL with --db",
        )
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _sqlite_begin(c: Connection) -> None:
    # A transaction that reads first and writes then would fail where another process wrote in between.
    c.exec_driver_sql("BEGIN IMMEDIATE" if c.get_execution_options().get("radmark_write") else "BEGIN")


def _postgres_connected(connection: Any, record: object) -> None:
    del record
    with connection.cursor() as cursor:  # whatever the server's own default: an answer means it is on the disk
        cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _sqlite_guards(table: str) -> Iterator[str]:
    for action in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added to'); END"
        )

    # INSERT OR REPLACE would delete without asking the trigger above.
    keys = ("id", "event_id") + (("reader", "reading", "image", "landmark", "version"),) * (table == "events")
    there = " OR ".join(
        " AND ".join(f"{k} = NEW.{k}" for k in ((key,) if isinstance(key, str) else key)) for key in keys
    )
    yield (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {there}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added to'); END"
    )


def _postgres_guards(table: str) -> Iterator[str]:
    yield (
        f"CREATE FUNCTION radmark_{table}_stay() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} are only ever added to'; END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION radmark_{table}_stay()"
    )


def _reason(error: Exception) -> str:
    """A database's complaint without the statement and its parameters, which may hold what a reader wrote."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
