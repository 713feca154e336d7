"""A project that an earlier version made opens in this one: `project-6723abb.sql` is one, every kind of thing in it."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from annotating import film
from dicom_files import film as dicom
from radmark.agree.panel import panel
from radmark.core import Frame, InputError, Spacing, SpacingSource
from radmark.core.marks import Origin, Reader
from radmark.io import read_annotations
from radmark.web import schema
from radmark.web.accounts import Account
from radmark.web.films import Films
from radmark.web.project import open_project, stored_scheme, study_of
from radmark.web.reports import EXPORTS
from radmark.web.rows import Change, Stored
from radmark.web.store import Store

MADE = Path(__file__).parent / "project-6723abb.sql"
TABLES = ("radmark_meta", "images", "readers", "items", "events", "current_marks", "remarks", "proposals", "sessions")


def old_sqlite(folder: Path) -> str:
    """A database of the earlier version."""
    with sqlite3.connect(folder / "old.sqlite") as c:
        c.executescript(MADE.read_text(encoding="utf-8"))
    c.close()
    return f"sqlite:///{folder / 'old.sqlite'}"


def old_postgres(url: str, folder: Path) -> str:
    """The same rows in the tables that the earlier version made in PostgreSQL."""
    old_sqlite(folder)
    engine = sa.create_engine(url)
    with sqlite3.connect(folder / "old.sqlite") as old, engine.begin() as c:
        for statement in MADE.with_suffix(".postgres.sql").read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                c.exec_driver_sql(statement)
        for name in TABLES:
            table = sa.Table(name, sa.MetaData(), autoload_with=c)
            rows = [dict(zip((d[0] for d in found.description), row, strict=True))
                    for found in [old.execute(f'SELECT * FROM "{name}"')] for row in found]  # fmt: skip
            for row in rows:
                for key in ("here", "assigned", "done"):
                    if key in row:
                        row[key] = bool(row[key])
            c.execute(table.insert(), rows)
        for name in ("events", "remarks"):
            c.exec_driver_sql(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))")
    old.close()
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return old_sqlite(tmp_path)
    return old_postgres(request.getfixturevalue("postgres").url(), tmp_path)


@pytest.fixture
def migrated(old: str) -> Iterator[Store]:
    store = Store(old)
    yield store
    store.close()


def item(store: Store, reader: str, name: str, reading: int = 1) -> Any:
    return store.readings_by(reader)[name, reading]


def test_everything_that_was_marked_is_still_there(migrated: Store) -> None:
    assert migrated.fact("schema_version") == str(schema.SCHEMA_VERSION)
    assert migrated.readers() == ("Anna", "Ben", "Chief", "Dr Old")
    assert len(migrated.event_ids()) == 13
    assert migrated.all_marks() == migrated.derived()
    first = item(migrated, "Anna", "film-1.png")
    assert (first.done, first.comment, first.seconds_without) == (True, "turned a little", 12.5)
    assert {n: (m.x, m.y, m.version) for n, m in migrated.marks(first).items()} == {
        "hip_right": (10.25, 20.5, 1), "hip_left": (15.25, 20.5, 1), "sacrum": (21.0, 21.0, 2),
    }  # fmt: skip
    assert migrated.marks(item(migrated, "Anna", "film-1.png", 2))["sacrum"].x == 22.0
    known = migrated.proposal(item(migrated, "Anna", "film-2.png").image, "net 1")
    assert known is not None
    assert known["uncertainty"] == 0.25
    scheme = stored_scheme(migrated)
    assert scheme is not None
    assert scheme.names == ("hip_right", "hip_left", "sacrum")


def test_millimetres_and_patients_become_facts_with_their_source(migrated: Store) -> None:
    films = migrated.films()
    assert films["film-1.png"].film.spacing == Spacing(0.14, 0.15, SpacingSource.TABLE)
    assert films["a.dcm"].film.file_spacing == Spacing(0.21, 0.2, SpacingSource.DICOM_UNKNOWN)
    assert films["film-10.png"].film.spacing is None
    assert [films[n].film.patient for n in ("film-1.png", "film-2.png", "film-10.png", "a.dcm")] == [
        "P-one", "P-one", None, "P-two",
    ]  # fmt: skip
    assert {row.stamp for row in films.values()} == {""}  # so that what headers say beside is read


def test_a_ball_is_no_longer_called_a_known_distance(migrated: Store) -> None:
    ball, line = item(migrated, "Ben", "film-1.png").film.spacing, item(migrated, "Anna", "film-2.png").film.spacing
    assert ball == Spacing(1.5340613037221138, 1.643637111130836, SpacingSource.KNOWN_BALL)
    assert line == Spacing(1.9115411478777613, 2.048079801297601, SpacingSource.KNOWN_DISTANCE)


def test_the_project_goes_on_where_it_was(migrated: Store, tmp_path: Path) -> None:
    for i, name in enumerate(("film-1.png", "film-2.png", "film-10.png")):
        film(tmp_path / "images" / name, seed=i)
    dicom(tmp_path / "images" / "a.dcm", PixelSpacing=[0.2, 0.21], PatientOrientation=["R", "F"], shape=(30, 40))
    scheme = stored_scheme(migrated)
    assert scheme is not None
    project = open_project("x", scheme, migrated, Films(tmp_path / "images"), [Account("Anna"), Account("Ben")])
    assert migrated.films()["a.dcm"].film.text("display") == "mirrored"
    assert migrated.films()["film-1.png"].film.patient == "P-one"  # a start without its table
    anna = item(migrated, "Anna", "film-1.png")
    stored = migrated.mark(anna, Change("new", 2, "sacrum", 5.0, 6.0, "present", "moved"))
    assert isinstance(stored, Stored)
    assert stored.mark.version == 3
    study = study_of(project, None)
    assert [(str(marks.author), film.name) for film, marks in study.rows] == [
        ("Anna", "film-1.png"), ("Anna", "film-2.png"), ("Anna, reading 2", "film-1.png"), ("Ben", "film-1.png"),
        ("Dr Old", "film-2.png"),
    ]  # fmt: skip
    assert study.rows[2].marks.author == Reader("Anna", "2")


def test_a_fresh_store_has_the_same_tables_as_one_that_grew(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    def shape(address: str) -> dict[str, Any]:
        store = Store(address)
        there = sa.inspect(store._engine)
        found: dict[str, Any] = {
            name: (
                [(c["name"], c["nullable"], c["type"]._type_affinity) for c in there.get_columns(name)],
                there.get_pk_constraint(name)["constrained_columns"],
                sorted(u["column_names"] for u in there.get_unique_constraints(name)),
                sorted((i["column_names"], i["unique"]) for i in there.get_indexes(name)),
                sorted(f["constrained_columns"] for f in there.get_foreign_keys(name)),
            )
            for name in there.get_table_names()
        }
        with store._engine.connect() as c:
            triggers = {
                "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
                "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
            }
            found["triggers"] = sorted(c.execute(sa.text(triggers[c.dialect.name])).scalars())
        store.close()
        return found

    fresh = shape(url)
    if url.startswith("sqlite"):
        grown = shape(old_sqlite(tmp_path))
    else:
        grown = shape(old_postgres(request.getfixturevalue("postgres").url(), tmp_path))
    assert grown == fresh
    assert set(fresh) - {"triggers"} == set(schema.TABLES.tables)
    for name, table in schema.TABLES.tables.items():
        assert {c.name: c.nullable for c in table.columns} == {c[0]: c[1] for c in fresh[name][0]}


def test_a_migration_that_fails_leaves_the_store_as_it_was(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = schema.MIGRATIONS[1]

    def half(c: Any) -> None:
        whole(c)
        raise InputError("the power fails", remedy="-")

    monkeypatch.setattr(schema, "MIGRATIONS", (schema._first, half))
    with pytest.raises(InputError, match="power fails"):
        Store(old)
    monkeypatch.undo()
    store = Store(old)
    assert len(store.event_ids()) == 13
    assert store.films()["film-1.png"].film.patient == "P-one"
    store.close()


def test_two_that_start_together_migrate_once(old: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store, [old] * 4))
    for store in stores:
        with store._engine.connect() as c:
            # Three films have millimetres, three a patient.
            assert c.execute(sa.text("SELECT count(*) FROM facts")).scalar() == 6
    for store in stores:
        store.close()


def test_what_left_the_earlier_page_as_two_people_is_one_person_who_read_twice(migrated: Store, tmp_path: Path) -> None:
    """By hand: Anna's first reading of film-1 puts the sacrum at (21, 21), her second at (22, 21), Ben his at (24, 21)."""
    for i, name in enumerate(("film-1.png", "film-2.png", "film-10.png")):
        film(tmp_path / "images" / name, seed=i)
    scheme = stored_scheme(migrated)
    assert scheme is not None
    project = open_project("x", scheme, migrated, Films(tmp_path / "images"), [Account("Anna")])
    (tmp_path / "out.csv").write_text(str(EXPORTS["csv"].write(project, None)), encoding="utf-8")
    study = read_annotations(tmp_path / "out.csv")
    assert {author.name for author in study.authors if isinstance(author, Reader)} == {"Anna", "Ben", "Dr Old"}
    marks = {(str(m.author), f.name): m for f, m in study.rows}
    assert marks["Ben", "film-1.png"].mark("sacrum").origin is Origin.PLACED  # placed, moved, and the move undone
    assert marks["Anna", "film-2.png"].mark("hip_right").origin is Origin.ACCEPTED  # then said to be hidden
    assert marks["Anna", "film-2.png"].mark("hip_left").origin is Origin.PLACED  # said to be absent
    assert marks["Dr Old", "film-2.png"].mark("hip_left").origin is Origin.IMPORTED
    films = {(str(m.author), f.name): f for f, m in study.rows}
    spacing = films["Ben", "film-1.png"].spacing
    assert spacing is not None
    assert spacing.source is SpacingSource.KNOWN_BALL
    told = films["Anna", "film-1.png"]
    assert (told.patient, told.attributes["done"], told.attributes["comment"]) == ("P-one", "yes", "turned a little")
    assert told.frame == Frame(40, 30, Spacing(0.14, 0.15, SpacingSource.TABLE))
    sides = study.subset(["film-2.png"])
    assert panel(sides).people == ("Anna", "Dr Old")
    assert json.loads(EXPORTS["json"].write(project, None))["schema_version"] >= 1
