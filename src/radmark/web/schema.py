"""The tables of a store, how each version of them became the next, and what SQLite and PostgreSQL want to be told.

Migrations are numbered and go forward only. Each is done in a transaction of its own, when a store is opened; a new store goes
through all of them. What a migration does is never changed once it was released: it is a fact about stores that exist.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from radmark.core.errors import InputError

# ------------------------------------------------------------------------------------------- the tables as they are now

TABLES = sa.MetaData()
_Name = sa.String(200)
_Time = sa.String(27)  # 2026-01-31T12:00:00.123456Z: the same text in both databases, and in order
_Id = sa.String(20)
_Number: sa.Double[float] = sa.Double()
_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

meta = sa.Table(
    "radmark_meta",
    TABLES,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

images = sa.Table(
    "images",
    TABLES,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("name", sa.String(1000), nullable=False, unique=True),
    sa.Column("ordinal", sa.Integer, nullable=False),  # place in the natural order of names
    sa.Column("here", sa.Boolean, nullable=False),  # whether the file was there at the last start
    # Size and time of change of the file, so that its header is read once; "": not read by this version yet.
    sa.Column("stamp", sa.String(60), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("pixels", sa.String(64)),  # sha256; known once somebody opened the film
)

facts = sa.Table(  # what is known of a film, each with who says so; only ever added to, the newest of a source counts
    "facts",
    TABLES,
    sa.Column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("image", _Id, nullable=False),
    sa.Column("name", sa.String(40), nullable=False),  # of `core.facts.FACTS`, or spacing
    sa.Column("source", sa.String(10), nullable=False),  # of `core.facts.FactSource`
    sa.Column("value", sa.Text),  # null: a file was changed and does not say it any more
)

readers = sa.Table(
    "readers",
    TABLES,
    sa.Column("name", _Name, primary_key=True),
    sa.Column("since", _Time, nullable=False),
)

items = sa.Table(  # assignments, and what follows from everything said about them
    "items",
    TABLES,
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

events = sa.Table(
    "events",
    TABLES,
    sa.Column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(36), nullable=False, unique=True),  # the client's: a retry is stored once
    sa.Column("at", _Time, nullable=False),
    sa.Column("reader", _Name, nullable=False),
    sa.Column("reading", sa.Integer, nullable=False),
    sa.Column("image", _Id, nullable=False),
    sa.Column("pixels", sa.String(64)),  # sha256 of what was looked at; null: from a file, nobody looked
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

current = sa.Table(
    "current_marks",
    TABLES,
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

remarks = sa.Table(  # comments, calibrations, done and times: also only ever added to
    "remarks",
    TABLES,
    sa.Column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(36), unique=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("reader", _Name, nullable=False),
    sa.Column("reading", sa.Integer, nullable=False),
    sa.Column("image", _Id, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),  # comment, calibration, done, time
    sa.Column("content", sa.Text, nullable=False),  # JSON
)

proposals = sa.Table(
    "proposals",
    TABLES,
    sa.Column("image", _Id, primary_key=True),
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("pixels", sa.String(64), nullable=False),
    sa.Column("uncertainty", _Number),
    sa.Column("content", sa.Text, nullable=False),  # JSON
)

sessions = sa.Table(
    "sessions",
    TABLES,
    sa.Column(
        "secret", sa.String(64), primary_key=True
    ),  # its sha256; the secret itself is only in the reader's browser
    sa.Column("reader", _Name, nullable=False),
    sa.Column("ends", _Time, nullable=False),
)


def now() -> str:
    """The time in UTC as it stands in the store."""
    return as_text(datetime.now(UTC))


def as_text(time: datetime) -> str:
    """A time in UTC as it stands in the store."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ------------------------------------------------------------------------------------------------------- migrations

_FIRST = (
    """CREATE TABLE radmark_meta ("key" VARCHAR(40) NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key"))""",
    """CREATE TABLE images (
        id VARCHAR(20) NOT NULL, name VARCHAR(1000) NOT NULL, ordinal INTEGER NOT NULL, here BOOLEAN NOT NULL,
        stamp VARCHAR(60) NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, spacing_x_mm DOUBLE PRECISION,
        spacing_y_mm DOUBLE PRECISION, spacing_source VARCHAR(40), patient VARCHAR(200), pixels VARCHAR(64),
        PRIMARY KEY (id), UNIQUE (name))""",
    "CREATE INDEX images_by_name ON images (here, ordinal)",
    "CREATE TABLE readers (name VARCHAR(200) NOT NULL, since VARCHAR(27) NOT NULL, PRIMARY KEY (name))",
    """CREATE TABLE items (
        reader VARCHAR(200) NOT NULL, image VARCHAR(20) NOT NULL, reading INTEGER NOT NULL, item VARCHAR(20) NOT NULL,
        assigned BOOLEAN NOT NULL, opens VARCHAR(27), n_placed INTEGER NOT NULL, n_marked INTEGER NOT NULL,
        done BOOLEAN NOT NULL, comment TEXT, calibration TEXT, seconds_with DOUBLE PRECISION NOT NULL,
        seconds_without DOUBLE PRECISION NOT NULL, PRIMARY KEY (reader, image, reading), UNIQUE (reader, item),
        FOREIGN KEY(reader) REFERENCES readers (name), FOREIGN KEY(image) REFERENCES images (id))""",
    """CREATE TABLE events (
        id {serial} NOT NULL, event_id VARCHAR(36) NOT NULL, at VARCHAR(27) NOT NULL, reader VARCHAR(200) NOT NULL,
        reading INTEGER NOT NULL, image VARCHAR(20) NOT NULL, pixels VARCHAR(64), landmark VARCHAR(200) NOT NULL,
        version INTEGER NOT NULL, from_x DOUBLE PRECISION, from_y DOUBLE PRECISION, from_state VARCHAR(13) NOT NULL,
        x DOUBLE PRECISION, y DOUBLE PRECISION, state VARCHAR(13) NOT NULL, how VARCHAR(12) NOT NULL, model VARCHAR(200),
        PRIMARY KEY (id), UNIQUE (reader, reading, image, landmark, version), UNIQUE (event_id))""",
    """CREATE TABLE current_marks (
        reader VARCHAR(200) NOT NULL, image VARCHAR(20) NOT NULL, reading INTEGER NOT NULL, landmark VARCHAR(200) NOT NULL,
        version INTEGER NOT NULL, x DOUBLE PRECISION, y DOUBLE PRECISION, state VARCHAR(13) NOT NULL,
        how VARCHAR(12) NOT NULL, at VARCHAR(27) NOT NULL, PRIMARY KEY (reader, image, reading, landmark))""",
    """CREATE TABLE remarks (
        id {serial} NOT NULL, event_id VARCHAR(36), at VARCHAR(27) NOT NULL, reader VARCHAR(200) NOT NULL,
        reading INTEGER NOT NULL, image VARCHAR(20) NOT NULL, kind VARCHAR(12) NOT NULL, content TEXT NOT NULL,
        PRIMARY KEY (id), UNIQUE (event_id))""",
    """CREATE TABLE proposals (
        image VARCHAR(20) NOT NULL, model VARCHAR(200) NOT NULL, pixels VARCHAR(64) NOT NULL,
        uncertainty DOUBLE PRECISION, content TEXT NOT NULL, PRIMARY KEY (image, model))""",
    """CREATE TABLE sessions (
        secret VARCHAR(64) NOT NULL, reader VARCHAR(200) NOT NULL, ends VARCHAR(27) NOT NULL, PRIMARY KEY (secret))""",
)
_FACTS = (
    """CREATE TABLE facts (
        id {serial} NOT NULL, at VARCHAR(27) NOT NULL, image VARCHAR(20) NOT NULL, name VARCHAR(40) NOT NULL,
        source VARCHAR(10) NOT NULL, value TEXT, PRIMARY KEY (id))""",
    "CREATE INDEX facts_of_image ON facts (image)",
)


def _run(c: Connection, statement: str) -> None:
    c.exec_driver_sql(statement.replace("{serial}", "INTEGER" if c.dialect.name == "sqlite" else "BIGSERIAL"))


def _first(c: Connection) -> None:
    """Version 1: events, remarks and what is derived from them."""
    for statement in _FIRST:
        _run(c, statement)
    for statement in (*_guards(c, "events", _EVENT_KEYS), *_guards(c, "remarks", ("id", "event_id"))):
        c.exec_driver_sql(statement)
    c.execute(sa.text("INSERT INTO radmark_meta VALUES ('schema_version', '0'), ('made', :made)"), {"made": now()})


def _facts(c: Connection) -> None:
    """Version 2: facts of films with their sources, in place of the millimetres and the patient of the last start.

    A patient was only ever taken from a table. Stamps are forgotten, so that what headers say beside millimetres is read. A
    calibration by a ball was called one by a known distance.
    """
    for statement in (*_FACTS, *_guards(c, "facts", ("id",))):
        _run(c, statement)
    add = sa.text("INSERT INTO facts (at, image, name, source, value) VALUES (:at, :image, :name, :source, :value)")
    at = now()
    for row in c.execute(sa.text("SELECT * FROM images")).mappings().all():
        about = {"at": at, "image": row["id"]}
        if (word := row["spacing_source"]) is not None:
            source = "user" if word == "flag" else "header" if word.startswith("dicom") else "table"
            value = f"{row['spacing_x_mm']!r} {row['spacing_y_mm']!r} {word}"
            c.execute(add, {**about, "name": "spacing", "source": source, "value": value})
        if row["patient"] is not None:
            c.execute(add, {**about, "name": "patient", "source": "table", "value": row["patient"]})
    for column in ("spacing_x_mm", "spacing_y_mm", "spacing_source", "patient"):
        c.exec_driver_sql(f"ALTER TABLE images DROP COLUMN {column}")
    c.exec_driver_sql("UPDATE images SET stamp = ''")
    key = ("reader", "image", "reading")
    kept = sa.text("SELECT reader, image, reading, calibration FROM items WHERE calibration IS NOT NULL")
    where = " AND ".join(f"{name} = :{name}" for name in key)
    for row in c.execute(kept).mappings().all():
        tree = json.loads(row["calibration"])
        if tree.get("kind") == "circle":
            tree["spacing"]["source"] = "known-ball"
            values = {"text": json.dumps(tree), **{name: row[name] for name in key}}
            c.execute(sa.text(f"UPDATE items SET calibration = :text WHERE {where}"), values)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _facts)
"""What makes version N of version N - 1, in order; version 0 is an empty database."""

SCHEMA_VERSION = len(MIGRATIONS)
"""Of the tables."""


def migrate(engine: Engine, shown: str) -> None:
    """Bring a database to `SCHEMA_VERSION`, one version a transaction.

    Args:
        engine: of the database.
        shown: the database in messages.

    Raises:
        InputError: it holds tables that radmark did not make, or is of a later version.
    """
    done = False
    while not done:
        with engine.connect().execution_options(radmark_write=True) as c, c.begin():
            if c.dialect.name != "sqlite":  # two servers that start together do each step once
                c.execute(sa.text("SELECT pg_advisory_xact_lock(7261646)"))
            version = _version(c, shown)
            done = version == SCHEMA_VERSION
            if not done:
                MIGRATIONS[version](c)
                c.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(version + 1)))


def _version(c: Connection, shown: str) -> int:
    there = sa.inspect(c)
    if not there.has_table(meta.name):
        foreign = [name for name in there.get_table_names() if name in TABLES.tables]
        if foreign:
            raise InputError(
                "the database has a table of this name that radmark did not make",
                file=shown,
                value=foreign[0],
                remedy="Give radmark a database of its own",
            )
        return 0
    found = c.execute(sa.select(meta.c.value).where(meta.c.key == "schema_version")).scalar()
    number = int(found) if found is not None and found.isdecimal() else 0
    if not 1 <= number <= SCHEMA_VERSION:
        raise InputError(
            f"the store has version {found}, this radmark reads and writes {SCHEMA_VERSION}",
            file=shown,
            remedy="Update radmark"
            if number > SCHEMA_VERSION
            else "Export it with the radmark that made it, and import the table here",
        )
    return number


# ---------------------------------------------------------------------------------------------------- the two databases


def engine_of(url: str) -> Engine:
    """An engine whose commits wait for the disk. Errors are SQLAlchemy's."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, pool_size=20, max_overflow=80)
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    engine = sa.create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True)
    event.listen(engine, "connect", _postgres_connected)
    return engine


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


_Keys = tuple[str | tuple[str, ...], ...]
_EVENT_KEYS: _Keys = ("id", "event_id", ("reader", "reading", "image", "landmark", "version"))


def _guards(c: Connection, table: str, keys: _Keys) -> Iterator[str]:
    """Triggers by which the database itself refuses to change or delete a row of `table`, whoever asks."""
    if c.dialect.name != "sqlite":
        yield (
            f"CREATE FUNCTION radmark_{table}_stay() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} are only ever added to'; END $$"
        )
        yield (
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION radmark_{table}_stay()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added to'); END"
        )
    # INSERT OR REPLACE would delete without asking the trigger above.
    there = " OR ".join(
        " AND ".join(f"{k} = NEW.{k}" for k in ((key,) if isinstance(key, str) else key)) for key in keys
    )
    yield (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {there}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added to'); END"
    )
