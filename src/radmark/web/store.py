"""What readers did, kept so that nothing acknowledged is ever lost: an append-only list of events, and tables derived from it.

SQLite in the project's folder, or PostgreSQL by URL, through SQLAlchemy. A write returns after its commit is on the disk: SQLite
in WAL mode with `synchronous = FULL`, PostgreSQL with `synchronous_commit = on`. Neither lets an event be changed or deleted:
triggers in the database refuse it, whoever asks.

Who marks what: an *item* is one reading of one film by one reader. Points are in pixels of the upright image, x right and y down,
(0, 0) the centre of the top-left pixel. `version` counts the changes of one landmark of one item from 1. A change names the
version it was made on, and is refused where that is no longer the current one: nobody overwrites what they have not seen.

The tables are in `web.schema`, their rows in `web.rows`, and what can be asked of them in `web.reading`.
"""

import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from radmark.core.errors import InputError
from radmark.core.facts import FactSource
from radmark.core.film import Film
from radmark.core.frame import SpacingSource
from radmark.core.marks import State
from radmark.web.reading import SPACING, Queries, mark_of, newest, of, reason, spacing_text
from radmark.web.reading import StoreUnavailable as StoreUnavailable
from radmark.web.rows import (
    MARKED,
    PLACED,
    Change,
    Conflict,
    FilmRow,
    Item,
    MarkRow,
    Registered,
    Restated,
    Stored,
    item_id,
)
from radmark.web.schema import (
    as_text,
    current,
    engine_of,
    events,
    facts,
    images,
    items,
    meta,
    migrate,
    now,
    proposals,
    readers,
    remarks,
    sessions,
)

_T = TypeVar("_T")


class _Job(Generic[_T]):
    def __init__(self, work: Callable[[Connection], _T]) -> None:
        self.work = work
        self.finished = False
        self.value: _T | None = None
        self.error: Exception | None = None


class Store(Queries):
    """The readings of one project. Any number of threads may use it; several processes may open the same one.

    A store that an earlier version made is brought to this version's tables as it is opened.

    Args:
        url: of SQLAlchemy, `sqlite:///…` or `postgresql+psycopg://…`.

    Raises:
        InputError: it cannot be opened, or was written by a later version of radmark.
    """

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite")
        self._shown = "that --db"  # an address that cannot be made sense of may hold a password anywhere
        self._lock = threading.Lock()
        self._queue: deque[_Job[Any]] = deque()
        self._engine = self._opened(url)
        try:
            migrate(self._engine, self._shown)
        except InputError:
            self._engine.dispose()
            raise
        except exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise InputError(
                f"the store cannot be opened: {reason(error)}",
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

    def _opened(self, url: str) -> Engine:
        try:
            self._shown = sa.make_url(url).render_as_string(hide_password=True)
            return engine_of(url)
        except (exc.ArgumentError, ModuleNotFoundError) as error:
            raise InputError(
                f"this database cannot be used: {error}",
                value=self._shown,
                remedy='Give --db postgresql+psycopg://USER@HOST/NAME, after: pip install "radmark[postgres]"',
            ) from error

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
                raise StoreUnavailable(reason(error)) from error
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
                job.error = StoreUnavailable(reason(error))
        for job in jobs:
            job.finished = True

    # ------------------------------------------------------------------------------------ project and films

    def set_fact(self, key: str, value: str) -> None:
        """Keep a text about the whole project."""

        def work(c: Connection) -> None:
            if not c.execute(meta.update().where(meta.c.key == key).values(value=value)).rowcount:
                c.execute(meta.insert().values(key=key, value=value))

        self._write(work)

    def register(self, films: Sequence[FilmRow]) -> Registered:
        """These films, in this order, are here now; others stay in the store and are not shown.

        What an earlier start's table or flags said of a film stays, unless this start's say something else.

        Raises:
            InputError: a film that was marked has another size now.
        """

        def work(c: Connection) -> Registered:
            known = {row.id: row for row in c.execute(sa.select(images))}
            marked = set(c.execute(sa.select(current.c.image).distinct()).scalars())
            new: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            for ordinal, row in enumerate(films):
                frame = row.film.frame
                values = {
                    "name": row.film.name,
                    "ordinal": ordinal,
                    "here": True,
                    "stamp": row.stamp,
                    "width": frame.width,
                    "height": frame.height,
                }
                old = known.get(row.id)
                if old is None:
                    new.append({"id": row.id, **values})
                    continue
                if row.id in marked and (old.width, old.height) != (frame.width, frame.height):
                    raise InputError(
                        f"the image was {old.width} x {old.height} when it was marked, and is another size now",
                        file=row.film.name,
                        value=f"{frame.width} x {frame.height}",
                        remedy="Put the image back that was marked, or give the new one another name",
                    )
                if any(getattr(old, key) != value for key, value in values.items()):
                    changed.append({"b_id": row.id, **values})
            gone = set(known) - {row.id for row in films}
            absent = [{"b_id": id_, "here": False} for id_ in gone if known[id_].here]
            if new:
                c.execute(images.insert(), new)
            for rows in (changed, absent):
                if rows:
                    bound: dict[str, Any] = {key: sa.bindparam(key) for key in rows[0] if key != "b_id"}
                    c.execute(images.update().where(images.c.id == sa.bindparam("b_id")).values(bound), rows)
            return _keep_facts(c, films)

        return self._write(work)

    def saw(self, image: str, pixels: str) -> bool:
        """Whether a film's pixels are those that were seen before; what nobody has marked yet may change."""

        def work(c: Connection) -> bool:
            old = c.execute(sa.select(images.c.pixels).where(images.c.id == image)).scalar()
            if old == pixels:
                return True
            looked = sa.select(events.c.id).where(events.c.image == image, events.c.pixels.is_not(None)).limit(1)
            if old is not None and c.execute(looked).first() is not None:
                return False
            c.execute(images.update().where(images.c.id == image).values(pixels=pixels))
            return True

        return self._write(work)

    # ------------------------------------------------------------------------------------------------- readers

    def assign(self, reader: str, firsts: Sequence[str], seconds: Sequence[str] = ()) -> None:
        """Exactly these films (ids) are the reader's to read, and some of them a second time. What was read stays stored."""

        def work(c: Connection) -> None:
            _know(c, reader)
            wanted = {(image, 1) for image in firsts} | {(image, 2) for image in seconds}
            had = {
                (row.image, row.reading): row.assigned
                for row in c.execute(
                    sa.select(items.c.image, items.c.reading, items.c.assigned).where(items.c.reader == reader)
                )
            }
            _add_items(c, reader, sorted(wanted - set(had)), assigned=True)
            other = [
                {"b_image": i, "b_reading": n, "b_assigned": (i, n) in wanted}
                for (i, n), assigned in had.items()
                if assigned != ((i, n) in wanted)
            ]
            if other:
                where = (
                    items.c.reader == reader,
                    items.c.image == sa.bindparam("b_image"),
                    items.c.reading == sa.bindparam("b_reading"),
                )
                c.execute(items.update().where(*where).values(assigned=sa.bindparam("b_assigned")), other)

        self._write(work)

    def keep_readings(self, reader: str, readings: Sequence[tuple[str, int]]) -> None:
        """Make room for these readings, (film id, from 1) each, of a reader who is not asked for them; those there are stay."""

        def work(c: Connection) -> None:
            _know(c, reader)
            rows = c.execute(sa.select(items.c.image, items.c.reading).where(items.c.reader == reader))
            had = {(row.image, row.reading) for row in rows}
            _add_items(c, reader, sorted(set(readings) - had), assigned=False)

        self._write(work)

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

    def import_marks(self, reader: str, work_: Sequence[tuple[Item, Sequence[Change]]]) -> tuple[int, int]:
        """Store one reader's first marks, which come from a file, all or none.

        Returns:
            How many were stored, and how many not because the reader's landmark says something else already. Those stored
            before are neither.
        """

        def work(c: Connection) -> tuple[int, int]:
            stored = set(c.execute(sa.select(events.c.event_id).where(events.c.reader == reader)).scalars())
            key = (current.c.image, current.c.reading, current.c.landmark)
            there = {tuple(row) for row in c.execute(sa.select(*key).where(current.c.reader == reader))}
            made: list[dict[str, Any]] = []
            marks: list[dict[str, Any]] = []
            counts: list[dict[str, Any]] = []
            late, at = 0, now()
            for item, changes in work_:
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
                    made.append({**row, "event_id": change.event_id, "from_state": State.NOT_ANNOTATED.label})
                if first:
                    placed, marked = (sum(change.state in kind for change in first) for kind in (PLACED, MARKED))
                    count = {"b_image": item.image, "b_reading": item.reading, "b_placed": placed, "b_marked": marked}
                    counts.append(count)
            if made:
                c.execute(events.insert(), made)
                c.execute(current.insert(), marks)
                c.execute(
                    items.update()
                    .where(items.c.reader == reader, items.c.image == sa.bindparam("b_image"))
                    .where(items.c.reading == sa.bindparam("b_reading"))
                    .values(
                        n_placed=items.c.n_placed + sa.bindparam("b_placed"),
                        n_marked=items.c.n_marked + sa.bindparam("b_marked"),
                    ),
                    counts,
                )
            return len(made), late

        return self._write(work)

    # ------------------------------------------------------------------------------------------------- remarks

    def comment(self, item: Item, text: str) -> None:
        """What the reader says of the film; an empty text takes it back."""
        self._remark(item, "comment", text, {"comment": text or None})

    def calibrate(self, item: Item, calibration: Mapping[str, Any] | None) -> None:
        """What the reader measured; it holds `spacing`. None takes it back."""
        text = None if calibration is None else json.dumps(dict(calibration))
        self._remark(item, "calibration", None if calibration is None else dict(calibration), {"calibration": text})

    def calibrated_before(self, item: Item) -> bool:
        """Whether the reader ever calibrated the film, or took a calibration back."""
        with self._reading() as c:
            query = sa.select(remarks.c.id).where(*of(remarks, item), remarks.c.kind == "calibration").limit(1)
            return c.execute(query).first() is not None

    def finish(self, item: Item, done: bool, second_after_days: float = 0.0) -> None:
        """The reader is done with the film, or not after all. A first reading that is done opens the second, after a while."""

        def work(c: Connection) -> None:
            _add_remark(c, item, "done", done)
            _update_item(c, item, {"done": done})
            if item.reading == 1:
                opens = as_text(datetime.now(UTC) + timedelta(days=second_after_days)) if done else None
                c.execute(
                    items.update()
                    .where(items.c.reader == item.reader, items.c.image == item.image, items.c.reading == 2)
                    .where(items.c.n_marked == 0)
                    .values(opens=opens)
                )

        self._write(work)

    def spent(self, item: Item, event_id: str, seconds: float, *, with_proposal: bool) -> float:
        """Add to the time a film took, once for each event id; the sum so far in seconds."""

        def work(c: Connection) -> float:
            _lock(c, item)
            known = c.execute(sa.select(remarks.c.id).where(remarks.c.event_id == event_id)).first()
            if known is None:
                _add_remark(c, item, "time", {"seconds": seconds, "with_proposal": with_proposal}, event_id)
                column = items.c.seconds_with if with_proposal else items.c.seconds_without
                _update_item(c, item, {column.name: column + seconds})
            row = c.execute(sa.select(items.c.seconds_with, items.c.seconds_without).where(*of(items, item))).one()
            return row.seconds_with + row.seconds_without

        return self._write(work)

    def _remark(self, item: Item, kind: str, content: Any, values: Mapping[str, Any]) -> None:
        def work(c: Connection) -> None:
            _add_remark(c, item, kind, content)
            _update_item(c, item, values)

        self._write(work)

    # ------------------------------------------------------------------------------------ proposals and sessions

    def propose(
        self, image: str, model: str, pixels: str, uncertainty: float | None, content: Mapping[str, Any]
    ) -> None:
        """Keep what a model says of a film. It is nobody's reading."""

        def work(c: Connection) -> None:
            where = (proposals.c.image == image, proposals.c.model == model)
            c.execute(proposals.delete().where(*where))
            c.execute(
                proposals.insert().values(
                    image=image, model=model, pixels=pixels, uncertainty=uncertainty, content=json.dumps(dict(content))
                )
            )

        self._write(work)

    def open_session(self, secret: str, reader: str, days: float) -> None:
        """Remember a browser. `secret` is kept as its hash only."""
        ends = as_text(datetime.now(UTC) + timedelta(days=days))

        def work(c: Connection) -> None:
            c.execute(sessions.delete().where(sessions.c.ends < now()))
            c.execute(sessions.insert().values(secret=_hash(secret), reader=reader, ends=ends))

        self._write(work)

    def session(self, secret: str) -> str | None:
        """The reader whose browser this is, None where nobody's."""
        return self.session_of(_hash(secret))

    def close_session(self, secret: str) -> None:
        """Forget a browser."""
        self._write(lambda c: c.execute(sessions.delete().where(sessions.c.secret == _hash(secret))) and None)


# -------------------------------------------------------------------------------------------------- inside a transaction


def _keep_facts(c: Connection, films: Sequence[FilmRow]) -> Registered:
    """Add what this start says of the films to what was said before."""
    before = newest(c)
    added: list[dict[str, Any]] = []
    restated: list[Restated] = []
    kept: Counter[str] = Counter()
    at = now()
    for row in films:
        said = before.get(row.id, {})
        told: set[tuple[str, FactSource]] = set()
        for name, source, value in _statements(row.film):
            key = (name, source)
            told.add(key)
            old = said.get(key)
            if old == value:
                continue
            if old is not None and source is not FactSource.HEADER:
                restated.append(Restated(row.film.name, name, source.value, old, value))
            said[key] = value
            added.append({"at": at, "image": row.id, "name": name, "source": source.value, "value": value})
        earlier = set(said) - told
        kept.update({name for name, source in earlier if source is not FactSource.HEADER})
        for name, source in earlier:
            if source is FactSource.HEADER:  # the file was changed, and does not say it any more
                added.append({"at": at, "image": row.id, "name": name, "source": source.value, "value": None})
    if added:
        c.execute(facts.insert(), added)
    return Registered(tuple(restated), dict(kept))


def _statements(film: Film) -> Generator[tuple[str, FactSource, str]]:
    """(name, who says so, value as text) of everything that is said of a film, its millimetres included."""
    used, own = film.spacing, film.file_spacing
    if own is not None:
        yield SPACING, FactSource.HEADER, spacing_text(own)
    if used is not None and used != own:
        by = FactSource.USER if used.source is SpacingSource.FLAG else FactSource.TABLE
        yield SPACING, by, spacing_text(used)
    for fact in film.facts:
        yield fact.name, fact.source, fact.text


def _know(c: Connection, reader: str) -> None:
    if c.execute(sa.select(readers.c.name).where(readers.c.name == reader)).first() is None:
        c.execute(readers.insert().values(name=reader, since=now()))


def _add_items(c: Connection, reader: str, wanted: Sequence[tuple[str, int]], *, assigned: bool) -> None:
    if not wanted:
        return
    names = {row.id: row.name for row in c.execute(sa.select(images.c.id, images.c.name))}
    rows = [
        {"reader": reader, "image": i, "reading": n, "item": item_id(names[i], n), "assigned": assigned}
        for i, n in wanted
    ]
    c.execute(items.insert(), rows)


def _mark(c: Connection, item: Item, change: Change) -> Stored | Conflict:
    counts = _lock(c, item)
    known = c.execute(sa.select(events).where(events.c.event_id == change.event_id)).first()
    if known is not None:
        there = (known.reader, known.reading, known.image, known.landmark, known.x, known.y, known.state)
        if there != (item.reader, item.reading, item.image, change.landmark, change.x, change.y, change.state):
            raise InputError(
                "this event id was used for another change",
                value=change.event_id,
                remedy="Make a new id for every change, and repeat one only with the same content",
            )
        return Stored(mark_of(known), True, counts.n_placed, counts.n_marked)
    old = c.execute(sa.select(current).where(*of(current, item), current.c.landmark == change.landmark)).first()
    version, at = 0 if old is None else int(old.version), now()
    if change.base_version != version:
        return Conflict(None if old is None else mark_of(old))
    state = State.NOT_ANNOTATED.label if old is None else old.state
    key = {"reader": item.reader, "reading": item.reading, "image": item.image, "landmark": change.landmark}
    new = {"version": version + 1, "x": change.x, "y": change.y, "state": change.state, "how": change.how, "at": at}
    c.execute(
        events.insert().values(
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
        c.execute(current.insert().values(**key, **new))
    else:
        c.execute(current.update().where(*(current.c[name] == value for name, value in key.items())).values(**new))
    n_placed = counts.n_placed + (change.state in PLACED) - (state in PLACED)
    n_marked = counts.n_marked + (change.state in MARKED) - (state in MARKED)
    if (n_placed, n_marked) != (counts.n_placed, counts.n_marked):
        _update_item(c, item, {"n_placed": n_placed, "n_marked": n_marked})
    mark = MarkRow(change.landmark, change.x, change.y, change.state, change.how, version + 1, item.reader, at)
    return Stored(mark, False, n_placed, n_marked)


def _lock(c: Connection, item: Item) -> Any:
    """The item's row, which nobody else may change until the transaction ends (SQLite has one writer anyway)."""
    return c.execute(sa.select(items.c.n_placed, items.c.n_marked).where(*of(items, item)).with_for_update()).one()


def _add_remark(c: Connection, item: Item, kind: str, content: Any, event_id: str | None = None) -> None:
    c.execute(
        remarks.insert().values(
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
    c.execute(items.update().where(*of(items, item)).values(**values))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
