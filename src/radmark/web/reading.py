"""What can be asked of a store. Nothing here changes it; `web.store` does."""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from radmark.core.errors import RadmarkError
from radmark.core.facts import Fact, FactSource, fact
from radmark.core.film import Film
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.marks import Origin
from radmark.web.rows import Counts, FilmRow, Item, MarkRow, Order, Progress
from radmark.web.schema import current, events, facts, images, items, meta, now, proposals, readers, sessions

SPACING = "spacing"
"""What millimetres are called among the facts of a film."""

_MANY = 500  # more films than this are not asked for one by one

ORIGINS: Mapping[str, Origin] = {
    "placed": Origin.PLACED,
    "moved": Origin.MOVED,
    "keyed": Origin.MOVED,
    "accepted": Origin.ACCEPTED,
    "adjudicated": Origin.PLACED,
    "imported": Origin.IMPORTED,
    "predicted": Origin.PREDICTED,
}
"""How a mark came to be, by what was done to it last; after a change of state or an undo `Queries.origins` tells."""

Key = tuple[str, str, int]
"""Reader, film id, reading."""


class StoreUnavailable(RadmarkError):  # noqa: N818 - it says what is the case
    """The store could not be read or written just now; nothing was stored."""


class Queries:
    """The reading half of a store."""

    _engine: Engine

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        try:
            with self._engine.connect() as c:
                yield c
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable(reason(error)) from error

    # ------------------------------------------------------------------------------------ project and films

    def fact(self, key: str) -> str | None:
        """A text about the whole project, as `Store.set_fact` stored it."""
        with self._reading() as c:
            return c.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()

    def films(self) -> dict[str, FilmRow]:
        """Every film there ever was, by name."""
        with self._reading() as c:
            return films_of(c)

    # ------------------------------------------------------------------------------------- readers and items

    def readers(self) -> tuple[str, ...]:
        """Everybody who ever read here."""
        with self._reading() as c:
            return tuple(c.execute(sa.select(readers.c.name).order_by(readers.c.name)).scalars())

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
            where.append(images.c.name.icontains(contains, autoescape=True))
        joined = items.join(images, images.c.id == items.c.image)
        by: list[Any] = [images.c.ordinal, items.c.reading]
        query = _item_query(model)
        if order == "uncertainty":
            by = [proposals.c.uncertainty.is_(None), proposals.c.uncertainty.desc(), *by]
        with self._reading() as c:
            total = c.execute(sa.select(sa.func.count()).select_from(joined).where(*where)).scalar_one()
            return total, _items_of(c, query.where(*where).order_by(*by).offset(offset).limit(limit))

    def item(self, reader: str, item: str, model: str | None = None) -> Item | None:
        """A reader's item by its id, None where there is none or it is not theirs to read now."""
        with self._reading() as c:
            found = _items_of(c, _item_query(model).where(*_open(reader), items.c.item == item))
            return found[0] if found else None

    def readings_by(self, reader: str) -> dict[tuple[str, int], Item]:
        """(film's name, reading) -> a reader's items, whether or not they are open to read now."""
        with self._reading() as c:
            return {
                (item.name, item.reading): item
                for item in _items_of(c, _item_query(None).where(items.c.reader == reader))
            }

    def neighbours(self, item: Item) -> tuple[str | None, str | None]:
        """The ids of the items before and after it in the order of names."""
        joined = items.join(images, images.c.id == items.c.image)
        place = sa.tuple_(images.c.ordinal, items.c.reading)
        with self._reading() as c:
            here = c.execute(sa.select(images.c.ordinal).where(images.c.id == item.image)).scalar_one()
            at = sa.tuple_(sa.literal(here), sa.literal(item.reading))
            base = sa.select(items.c.item).select_from(joined).where(*_open(item.reader)).limit(1)
            before = base.where(place < at).order_by(images.c.ordinal.desc(), items.c.reading.desc())
            after = base.where(place > at).order_by(images.c.ordinal, items.c.reading)
            return c.execute(before).scalar(), c.execute(after).scalar()

    def counts(self, reader: str) -> Counts:
        """How far a reader is."""
        joined = items.join(images, images.c.id == items.c.image)
        done = sa.func.coalesce(sa.func.sum(sa.case((items.c.done, 1), else_=0)), 0)
        started = sa.func.coalesce(sa.func.sum(sa.case((sa.and_(~items.c.done, items.c.n_marked > 0), 1), else_=0)), 0)
        with self._reading() as c:
            row = c.execute(
                sa.select(sa.func.count().label("n"), done.label("done"), started.label("started"))
                .select_from(joined)
                .where(*_open(reader))
            ).one()
        return Counts(row.n, int(row.done), int(row.started), row.n - int(row.done) - int(row.started))

    def readings(self, image: str) -> tuple[Item, ...]:
        """Every reader's items of a film that hold a mark, first readings first."""
        with self._reading() as c:
            query = _item_query(None).where(items.c.image == image, items.c.n_marked > 0)
            return _items_of(c, query.order_by(items.c.reading, items.c.reader))

    def all_items(self, reader: str | None = None) -> tuple[Item, ...]:
        """All items that hold a mark, in the order of names; of one reader, or of all."""
        query = _item_query(None).where(items.c.n_marked > 0)
        if reader is not None:
            query = query.where(items.c.reader == reader)
        with self._reading() as c:
            return _items_of(c, query.order_by(items.c.reader, items.c.reading, images.c.ordinal, images.c.name))

    def mean_seconds(self, reader: str) -> dict[str, float | int | None]:
        """Mean seconds a done film took, with and without proposals, and how many films these are."""
        with_ = items.c.seconds_with > 0
        total = items.c.seconds_with + items.c.seconds_without
        found: dict[str, float | int | None] = {}
        with self._reading() as c:
            for word, condition in (("with_proposal", with_), ("without", sa.and_(~with_, total > 0))):
                n, mean = c.execute(
                    sa.select(sa.func.count(), sa.func.avg(total)).where(
                        items.c.reader == reader, items.c.done, condition
                    )
                ).one()
                found[word] = None if mean is None else float(mean)
                found["n_with" if word == "with_proposal" else "n_without"] = n
        return found

    # --------------------------------------------------------------------------------------------------- marks

    def marks(self, item: Item) -> dict[str, MarkRow]:
        """What stands for each landmark of an item; those never touched are not in it."""
        with self._reading() as c:
            query = sa.select(current).where(*of(current, item))
            return {row.landmark: mark_of(row) for row in c.execute(query)}

    def all_marks(self, reader: str | None = None) -> dict[Key, dict[str, MarkRow]]:
        """The same for all items: (reader, film id, reading) -> landmark -> mark."""
        query = sa.select(current) if reader is None else sa.select(current).where(current.c.reader == reader)
        with self._reading() as c:
            return _by_item(c.execute(query))

    def derived(self) -> dict[Key, dict[str, MarkRow]]:
        """What `all_marks` has to be, computed from the events alone."""
        with self._reading() as c:
            return _by_item(c.execute(sa.select(events).order_by(events.c.id)))

    def origins(self, reader: str | None = None) -> dict[Key, dict[str, Origin]]:
        """How the marks came to be that `ORIGINS` cannot tell of: those whose last change was of the state alone, or an undo.

        A point that was accepted from a model stays accepted when it is then said to be hidden, and an undo brings back how the
        point came to be that it brings back.
        """
        same = sa.and_(*(getattr(events.c, name) == getattr(current.c, name) for name in _KEY))
        query = sa.select(events).join(current, same).where(current.c.how.in_(("state", "undo")))
        if reader is not None:
            query = query.where(current.c.reader == reader)
        found: dict[Key, dict[str, Origin]] = {}
        known: dict[tuple[Key, str], dict[tuple[float | None, float | None, str], Origin]] = {}
        with self._reading() as c:
            for row in c.execute(query.order_by(events.c.id)):
                key: Key = (row.reader, row.image, row.reading)
                of_points = known.setdefault((key, row.landmark), {})
                at = (row.x, row.y, row.state if row.x is None else "")
                origin = ORIGINS.get(row.how)
                if origin is None:
                    said = row.how == "state" and row.x is None  # that it is not in the picture, by a person
                    origin = Origin.PLACED if said else of_points.get(at, Origin.PLACED)
                found.setdefault(key, {})[row.landmark] = of_points[at] = origin
        return found

    def event_ids(self) -> set[str]:
        """The client's ids of all events."""
        with self._reading() as c:
            return set(c.execute(sa.select(events.c.event_id)).scalars())

    # ------------------------------------------------------------------------------------ proposals and sessions

    def proposal(self, image: str, model: str) -> Mapping[str, Any] | None:
        """What a model said of a film: `pixels`, `uncertainty` and its own content."""
        with self._reading() as c:
            query = sa.select(proposals).where(proposals.c.image == image, proposals.c.model == model)
            row = c.execute(query).first()
            if row is None:
                return None
            return {"pixels": row.pixels, "uncertainty": row.uncertainty, **json.loads(row.content)}

    def without_proposal(self, model: str) -> tuple[tuple[str, str], ...]:
        """(id, name) of the films here that a model has not seen, in the order of names."""
        seen = sa.select(proposals.c.image).where(proposals.c.model == model)
        query = sa.select(images.c.id, images.c.name).where(images.c.here, images.c.id.not_in(seen))
        with self._reading() as c:
            return tuple((row.id, row.name) for row in c.execute(query.order_by(images.c.ordinal)))

    def session_of(self, secret: str) -> str | None:
        """The reader whose browser holds the secret of this hash, None where nobody's."""
        with self._reading() as c:
            query = sa.select(sessions.c.reader).where(sessions.c.secret == secret, sessions.c.ends > now())
            return c.execute(query).scalar()


# -------------------------------------------------------------------------------------------------- inside a transaction

_KEY = ("reader", "image", "reading", "landmark")


def of(table: sa.Table, item: Item) -> tuple[Any, ...]:
    """An item's rows of a table."""
    return table.c.reader == item.reader, table.c.image == item.image, table.c.reading == item.reading


def mark_of(row: Any) -> MarkRow:
    """A mark from a row of `events` or `current_marks`."""
    return MarkRow(row.landmark, row.x, row.y, row.state, row.how, row.version, row.reader, row.at)


def reason(error: Exception) -> str:
    """A database's complaint without the statement and its parameters, which may hold what a reader wrote."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def films_of(c: Connection) -> dict[str, FilmRow]:
    """Every film there ever was, by name."""
    said = newest(c)
    return {row.name: FilmRow(_film(row, said.get(row.id, {})), row.stamp) for row in c.execute(sa.select(images))}


Said = dict[tuple[str, FactSource], str]
"""(name of a fact, who says so) -> its value as text."""


def newest(c: Connection, ids: Iterable[str] | None = None) -> dict[str, Said]:
    """Film id -> what each source says of it now, of these films or of all."""
    query = sa.select(facts.c.image, facts.c.name, facts.c.source, facts.c.value).order_by(facts.c.id)
    wanted = None if ids is None else set(ids)
    if wanted is not None and len(wanted) <= _MANY:
        query = query.where(facts.c.image.in_(wanted))
    found: dict[str, Said] = {}
    for image, name, source, value in c.execute(query):
        of_film = found.setdefault(image, {})
        key = (name, FactSource(source))
        if value is None:
            of_film.pop(key, None)
        else:
            of_film[key] = value
    return found


def spacing_text(spacing: Spacing) -> str:
    """A spacing as it is stored: x and y in mm, and where they are from."""
    return f"{spacing.x_mm!r} {spacing.y_mm!r} {spacing.source}"


def _film(row: Any, said: Said) -> Film:
    spacings = {by: _spacing(value) for (name, by), value in said.items() if name == SPACING}
    return Film(
        row.name,
        (row.width, row.height),
        next((spacings[by] for by in FactSource if by in spacings), None),
        facts=tuple(_facts(said)),
        file_spacing=spacings.get(FactSource.HEADER),
    )


def _facts(said: Said) -> Generator[Fact]:
    for (name, by), value in said.items():
        if name != SPACING:
            yield fact(name, value, by)


def _spacing(value: str) -> Spacing:
    x_mm, y_mm, source = value.split()
    return Spacing(float(x_mm), float(y_mm), SpacingSource(source))


def _by_item(rows: Iterable[Any]) -> dict[Key, dict[str, MarkRow]]:
    found: dict[Key, dict[str, MarkRow]] = {}
    for row in rows:
        found.setdefault((row.reader, row.image, row.reading), {})[row.landmark] = mark_of(row)
    return found


def _open(reader: str) -> tuple[Any, ...]:
    """What a reader may read now."""
    ready = sa.or_(items.c.reading == 1, items.c.opens <= now())
    return items.c.reader == reader, items.c.assigned, images.c.here, ready


_PROGRESS: Mapping[Progress, tuple[Any, ...]] = {
    "all": (),
    "untouched": (~items.c.done, items.c.n_marked == 0),
    "started": (~items.c.done, items.c.n_marked > 0),
    "done": (items.c.done,),
    "todo": (~items.c.done,),
    "commented": (items.c.comment.is_not(None),),
}


def _item_query(model: str | None) -> sa.Select[Any]:
    about = sa.and_(proposals.c.image == images.c.id, proposals.c.model == (model or ""))
    joined = items.join(images, images.c.id == items.c.image).outerjoin(proposals, about)
    columns = (images.c.name, images.c.width, images.c.height, images.c.pixels)
    return sa.select(*items.c, *columns, proposals.c.uncertainty).select_from(joined)


def _items_of(c: Connection, query: sa.Select[Any]) -> tuple[Item, ...]:
    rows: Sequence[Any] = c.execute(query).all()
    said = newest(c, [row.image for row in rows]) if rows else {}
    return tuple(_item(row, said.get(row.image, {})) for row in rows)


def _item(row: Any, said: Said) -> Item:
    film = _film(row, said)
    calibration = None if row.calibration is None else json.loads(row.calibration)
    if calibration is not None:
        own = calibration["spacing"]
        spacing = Spacing(own["x_mm"], own["y_mm"], SpacingSource(own["source"]))
        film = Film(film.name, film.size, spacing, facts=film.facts, file_spacing=film.file_spacing)
    return Item(
        row.item, row.reader, row.reading, row.image, film, row.pixels, row.n_placed, row.n_marked, row.done, row.comment,
        calibration, row.seconds_with, row.seconds_without, row.uncertainty,
    )  # fmt: skip
