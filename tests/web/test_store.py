import sqlite3
import threading
import uuid
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from radmark.core import Film, InputError, Spacing, SpacingSource
from radmark.core.facts import FactSource, fact
from radmark.core.marks import Origin, State
from radmark.web.rows import Change, Conflict, FilmRow, Item, Restated, Stored
from radmark.web.schema import SCHEMA_VERSION
from radmark.web.store import Store, StoreUnavailable

OF_TABLE = Spacing(0.1, 0.2, SpacingSource.TABLE)


def row(name: str, stamp: str = "1", size: tuple[int, int] = (40, 30), **more: Any) -> FilmRow:
    """A film; `more` are its facts by a table, and its spacing."""
    spacing, own = more.pop("spacing", None), more.pop("file_spacing", None)
    facts = [fact(key, value, FactSource.TABLE) for key, value in more.items()]
    return FilmRow(Film(name, size, spacing, facts=tuple(facts), file_spacing=own), stamp)


A = row("a.png")
B = row("b.png", spacing=OF_TABLE, patient="patient 7")


def change(landmark: str = "hip", base: int = 0, x: float | None = 1.5, y: float | None = 2.5, **more: Any) -> Change:
    values: dict[str, Any] = {"state": "present", "how": "placed", "event_id": str(uuid.uuid4())} | more
    return Change(base_version=base, landmark=landmark, x=x, y=y, **values)


def item_of(store: Store, reader: str = "R", image: FilmRow = A) -> Item:
    found = store.item(reader, image.id)
    assert found is not None
    return found


@pytest.fixture
def item(store: Store) -> Item:
    store.register([A, B])
    store.assign("R", [A.id, B.id])
    store.saw(A.id, "f" * 64)
    return item_of(store)


def test_a_change_is_stored_with_where_the_point_came_from(store: Store, item: Item) -> None:
    first = store.mark(item, change())
    second = store.mark(item, change(base=1, x=7.123456789012345, how="moved"))
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert (first.mark.version, second.mark.version) == (1, 2)
    with store._engine.connect() as c:
        rows = c.execute(sa.text("SELECT * FROM events ORDER BY id")).mappings().all()
    last = dict(rows[1])
    assert len(rows) == 2
    assert (last["from_x"], last["from_y"], last["from_state"]) == (1.5, 2.5, "present")
    assert (last["x"], last["y"], last["state"], last["how"]) == (7.123456789012345, 2.5, "present", "moved")
    assert (last["reader"], last["reading"], last["pixels"]) == ("R", 1, "f" * 64)
    assert rows[0]["from_state"] == "not_annotated"
    assert rows[0]["from_x"] is None
    assert last["at"] == second.mark.at
    assert len(last["at"]) == len("2026-01-31T12:00:00.123456Z")


def test_a_retry_is_stored_once_and_gets_the_same_answer(store: Store, item: Item) -> None:
    once = change()
    first, again = store.mark(item, once), store.mark(item, once)
    assert isinstance(first, Stored)
    assert isinstance(again, Stored)
    assert again.mark == first.mark
    assert (first.repeated, again.repeated) == (False, True)
    assert len(store.event_ids()) == 1


def test_an_id_used_for_another_change_is_refused(store: Store, item: Item) -> None:
    once = change()
    store.mark(item, once)
    with pytest.raises(InputError, match="event id was used for another change"):
        store.mark(item, change(x=9.0, base=1, event_id=once.event_id))


def test_a_change_of_an_old_version_is_not_stored_and_says_what_stands(store: Store, item: Item) -> None:
    store.mark(item, change())
    store.mark(item, change(base=1, x=3.0))
    result = store.mark(item, change(base=1, x=9.0))
    assert isinstance(result, Conflict)
    assert result.current is not None
    assert (result.current.x, result.current.version) == (3.0, 2)
    assert store.marks(item)["hip"].x == 3.0
    assert isinstance(store.mark(item, change("knee", base=1)), Conflict)  # of what was never there


def test_of_many_writers_on_one_version_one_wins(store: Store, item: Item) -> None:
    results: list[Stored | Conflict] = []
    gate = threading.Barrier(8)

    def write(i: int) -> None:
        gate.wait()
        results.append(store.mark(item, change(x=float(i))))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [r for r in results if isinstance(r, Stored)]
    assert len(results) == 8
    assert len(won) == 1
    assert store.marks(item)["hip"].x == won[0].mark.x
    assert len(store.event_ids()) == 1


def test_two_processes_may_write_to_one_store(url: str, store: Store, item: Item) -> None:
    other = Store(url)  # an engine of its own, as another process has
    try:
        assert isinstance(store.mark(item, change()), Stored)
        assert isinstance(other.mark(item_of(other), change()), Conflict)
        assert isinstance(other.mark(item_of(other), change(base=1)), Stored)
        assert store.marks(item)["hip"].version == 2
    finally:
        other.close()


@pytest.mark.parametrize("table", ["events", "remarks"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET reader = 'X'", "DELETE FROM {}"])
def test_what_happened_cannot_be_changed_or_deleted(store: Store, item: Item, table: str, statement: str) -> None:
    store.mark(item, change())
    store.comment(item, "seen")
    with pytest.raises(DBAPIError, match="only ever added to"), store._engine.begin() as c:
        c.execute(sa.text(statement.format(table)))
    assert len(store.event_ids()) == 1


def test_sqlite_does_not_replace_an_event_either(tmp_path: Path) -> None:
    store = Store.at(tmp_path / "s.sqlite")
    store.register([A])
    store.assign("R", [A.id])
    store.mark(item_of(store), change())
    store.close()
    with sqlite3.connect(tmp_path / "s.sqlite") as c, pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
        c.execute("INSERT OR REPLACE INTO events SELECT * FROM events")
    c.close()


def test_postgres_does_not_truncate_events_either(postgres: Any) -> None:
    store = Store(postgres.url())
    with pytest.raises(DBAPIError, match="only ever added to"), store._engine.begin() as c:
        c.execute(sa.text("TRUNCATE events"))
    store.close()


def test_a_commit_waits_for_the_disk(store: Store, url: str) -> None:
    with store._engine.connect() as c:
        if url.startswith("sqlite"):
            assert c.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
            assert c.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
        else:
            assert c.execute(sa.text("SHOW synchronous_commit")).scalar() == "on"


_LANDMARKS = st.sampled_from(["hip", "knee"])
_STEPS = st.lists(
    st.tuples(st.sampled_from(["R", "S"]), _LANDMARKS, st.sampled_from(list(State)), st.integers(0, 3), st.booleans()),
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_what_stands_is_what_the_events_say(tmp_path: Path, steps: list[tuple[str, str, State, int, bool]]) -> None:
    store = Store.at(tmp_path / f"{uuid.uuid4()}.sqlite")
    store.register([A])
    for reader in ("R", "S"):
        store.assign(reader, [A.id])
    stands: dict[tuple[str, str], tuple[int, str, float | None]] = {}
    for i, (reader, landmark, state, behind, repeat) in enumerate(steps):
        version = stands.get((reader, landmark), (0, "", None))[0]
        x = float(i) if state <= State.OCCLUDED else None
        made = change(landmark, max(0, version - behind), x, x, state=state.label)
        item = item_of(store, reader)
        result = store.mark(item, made)
        for _ in range(repeat):
            result = store.mark(item, made)
        if made.base_version == version:
            stands[reader, landmark] = (version + 1, state.label, x)
            assert isinstance(result, Stored)
    now = store.all_marks()
    assert now == store.derived()
    found = {(r, n): (m.version, m.state, m.x) for (r, _, _), marks in now.items() for n, m in marks.items()}
    assert found == stands
    for reader in ("R", "S"):
        states = [state for (r, _), (_, state, _) in stands.items() if r == reader]
        item = item_of(store, reader)
        assert item.n_placed == sum(s in ("present", "occluded") for s in states)
        assert item.n_marked == sum(s != "not_annotated" for s in states)
    store.close()


def test_the_list_is_in_the_films_order_and_knows_what_is_done(store: Store, item: Item) -> None:
    store.mark(item, change())
    other = item_of(store, image=B)
    store.finish(other, True)
    store.comment(other, "50% _cut_")
    total, items = store.items("R")
    assert total == 2
    assert [i.name for i in items] == ["a.png", "b.png"]
    assert items[1].frame.spacing == OF_TABLE
    assert items[1].film.patient == "patient 7"
    assert [i.name for i in store.items("R", progress="started")[1]] == ["a.png"]
    assert [i.name for i in store.items("R", progress="done")[1]] == ["b.png"]
    assert [i.name for i in store.items("R", progress="commented")[1]] == ["b.png"]
    assert [i.name for i in store.items("R", contains="B.p")[1]] == ["b.png"]
    assert store.items("R", contains="%")[0] == 0  # no wildcard of the database's
    assert [i.name for i in store.items("R", offset=1, limit=5)[1]] == ["b.png"]
    counts = store.counts("R")
    assert (counts.items, counts.done, counts.started, counts.untouched) == (2, 1, 1, 0)
    assert store.neighbours(item) == (None, B.id)
    assert store.neighbours(other) == (A.id, None)


def test_a_second_reading_opens_when_the_first_is_done_and_forgotten(store: Store) -> None:
    store.register([A])
    store.assign("R", [A.id], [A.id])
    first = item_of(store)
    store.mark(first, change())
    assert store.items("R")[0] == 1
    store.finish(first, True, second_after_days=1.0)
    assert store.items("R")[0] == 1
    store.finish(first, True, second_after_days=0.0)
    total, items = store.items("R")
    assert total == 2
    second = items[1]
    assert second.reading == 2
    assert second.id != first.id
    assert store.marks(second) == {}  # blind to the first
    store.mark(second, change(x=9.0))
    assert store.marks(first)["hip"].x == 1.5
    store.finish(first, False)
    assert store.items("R")[0] == 2  # one that was begun stays open


def test_what_is_no_longer_assigned_stays_stored(store: Store, item: Item) -> None:
    store.mark(item, change())
    store.assign("R", [B.id])
    assert store.item("R", A.id) is None
    assert len(store.all_marks()) == 1
    store.assign("R", [A.id, B.id])
    assert store.marks(item_of(store))["hip"].x == 1.5


def test_a_film_that_went_away_comes_back_with_its_marks(store: Store, item: Item) -> None:
    store.mark(item, change())
    store.register([B])
    assert [i.name for i in store.items("R")[1]] == ["b.png"]
    store.register([A, B])
    assert item_of(store).n_placed == 1


def test_a_marked_film_may_not_change_its_size(store: Store, item: Item) -> None:
    store.mark(item, change())
    store.register([A, row("b.png", "2", (50, 50))])  # nobody marked this one
    with pytest.raises(InputError, match="40 x 30 when it was marked"):
        store.register([row("a.png", "2", (41, 30)), B])


@pytest.mark.usefixtures("item")
def test_what_a_table_said_once_stays_when_a_later_start_has_no_table(store: Store) -> None:
    registered = store.register([A, row("b.png")])
    assert registered.restated == ()
    assert registered.kept == {"spacing": 1, "patient": 1}
    film = store.films()["b.png"].film
    assert (film.spacing, film.patient) == (OF_TABLE, "patient 7")
    assert item_of(store, image=B).film.spacing == OF_TABLE
    assert store.register([A, B]).kept == {}


@pytest.mark.usefixtures("item")
def test_a_table_that_says_otherwise_is_told_and_both_are_kept(store: Store) -> None:
    other = Spacing(0.3, 0.3, SpacingSource.TABLE)
    registered = store.register([A, row("b.png", spacing=other, patient="patient 8")])
    assert registered.restated == (
        Restated("b.png", "spacing", "table", "0.1 0.2 table", "0.3 0.3 table"),
        Restated("b.png", "patient", "table", "patient 7", "patient 8"),
    )
    film = store.films()["b.png"].film
    assert (film.spacing, film.patient) == (other, "patient 8")
    with store._engine.connect() as c:
        rows = c.execute(sa.text("SELECT name, source, value FROM facts ORDER BY id")).all()
    assert [tuple(each) for each in rows] == [
        ("spacing", "table", "0.1 0.2 table"), ("patient", "table", "patient 7"),
        ("spacing", "table", "0.3 0.3 table"), ("patient", "table", "patient 8"),
    ]  # fmt: skip
    assert store.register([A, row("b.png", spacing=other, patient="patient 8")]).restated == ()


def test_the_users_millimetres_go_before_the_tables_and_those_before_the_headers(store: Store) -> None:
    header = Spacing(0.5, 0.5, SpacingSource.DICOM_DETECTOR)
    flag = Spacing(0.4, 0.4, SpacingSource.FLAG)
    for stated, used in ((None, header), (OF_TABLE, OF_TABLE), (flag, flag), (None, flag)):
        store.register([row("a.dcm", spacing=stated or header, file_spacing=header)])
        film = store.films()["a.dcm"].film
        assert (film.spacing, film.file_spacing) == (used, header)


def test_a_header_that_was_changed_does_not_say_what_it_said(store: Store) -> None:
    def read(stamp: str, *facts: tuple[str, str], spacing: Spacing | None = None) -> FilmRow:
        of_file = tuple(fact(name, value, FactSource.HEADER) for name, value in facts)
        return FilmRow(Film("a.dcm", (40, 30), spacing, facts=of_file, file_spacing=spacing), stamp)

    header = Spacing(0.5, 0.5, SpacingSource.DICOM_FIDUCIAL)
    store.register([read("1", ("side", "left"), ("view", "AP"), spacing=header)])
    store.register([read("2", ("view", "PA"))])
    film = store.films()["a.dcm"].film
    assert (film.side, film.view, film.spacing) == (None, "PA", None)


@pytest.mark.usefixtures("item")
def test_facts_cannot_be_changed_or_deleted_either(store: Store) -> None:
    for statement in ("UPDATE facts SET value = 'x'", "DELETE FROM facts"):
        with pytest.raises(DBAPIError, match="only ever added to"), store._engine.begin() as c:
            c.execute(sa.text(statement))


def test_how_a_mark_came_to_be_outlives_a_change_of_state_and_an_undo(store: Store, item: Item) -> None:
    def origin(*steps: tuple[float | None, str, str]) -> Origin:
        name = str(uuid.uuid4())
        for base, (x, state, how) in enumerate(steps):
            assert isinstance(store.mark(item, change(name, base, x, x, state=state, how=how)), Stored)
        return store.origins()["R", A.id, 1][name]

    assert origin((1.0, "present", "accepted"), (1.0, "occluded", "state")) is Origin.ACCEPTED
    assert origin((1.0, "present", "accepted"), (2.0, "present", "moved"), (1.0, "present", "undo")) is Origin.ACCEPTED
    assert origin((1.0, "present", "accepted"), (2.0, "present", "moved"), (2.0, "occluded", "state")) is Origin.MOVED
    assert origin((1.0, "present", "placed"), (None, "absent", "state"), (1.0, "present", "undo")) is Origin.PLACED
    assert (
        origin((None, "absent", "accepted"), (None, "not_annotated", "state"), (None, "absent", "state"))
        is Origin.PLACED
    )
    assert origin((None, "absent", "accepted"), (1.0, "present", "placed"), (None, "absent", "undo")) is Origin.ACCEPTED


def test_pixels_may_change_until_somebody_marked_them(store: Store, item: Item) -> None:
    assert store.saw(A.id, "0" * 64)
    store.mark(item, change())
    assert store.saw(A.id, "0" * 64)
    assert not store.saw(A.id, "1" * 64)


def test_time_is_counted_once_and_apart_with_and_without_proposals(store: Store, item: Item) -> None:
    one = str(uuid.uuid4())
    assert store.spent(item, one, 10.0, with_proposal=False) == 10.0
    assert store.spent(item, one, 10.0, with_proposal=False) == 10.0
    other = item_of(store, image=B)
    store.spent(other, str(uuid.uuid4()), 2.0, with_proposal=True)
    store.spent(other, str(uuid.uuid4()), 2.5, with_proposal=True)
    for each in (item, other):
        store.finish(each, True)
    assert store.mean_seconds("R") == {"without": 10.0, "n_without": 1, "with_proposal": 4.5, "n_with": 1}


def test_a_calibration_is_the_readers_own(store: Store, item: Item) -> None:
    store.assign("S", [A.id])
    spacing = {"x_mm": 0.5, "y_mm": 0.25, "source": "known-distance"}
    store.calibrate(item, {"kind": "line", "spacing": spacing})
    assert item_of(store).frame.spacing == Spacing(0.5, 0.25, SpacingSource.KNOWN_DISTANCE)
    assert item_of(store, "S").frame.spacing is None
    store.calibrate(item, None)
    assert item_of(store).frame.spacing is None


@pytest.mark.parametrize(("version", "remedy"), [("3", "Update radmark"), ("0", "Export it")])
def test_a_store_of_another_version_is_refused(url: str, version: str, remedy: str) -> None:
    store = Store(url)
    store.set_fact("schema_version", version)
    store.close()
    with pytest.raises(InputError, match=f"version {version}, this radmark reads and writes {SCHEMA_VERSION}") as error:
        Store(url)
    assert error.value.remedy.startswith(remedy)


def test_a_database_of_somebody_elses_is_left_alone(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as c:
        c.execute(sa.text("CREATE TABLE events (x integer)"))
    with pytest.raises(InputError, match="did not make"):
        Store(url)
    assert sa.inspect(engine).get_table_names() == ["events"]
    engine.dispose()


def test_what_cannot_be_opened_is_said_without_the_password() -> None:
    with pytest.raises(InputError, match="cannot be opened") as error:
        Store("postgresql+psycopg://u:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)
    with pytest.raises(InputError, match="cannot be used"):
        Store("nonsense://x")
    with pytest.raises(InputError, match="cannot be used"):
        Store("nonsense")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match="not a database"):
        Store.at(tmp_path / "s.sqlite")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="folder cannot be made"):
        Store.at(tmp_path / "file" / "s.sqlite")


def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    store = Store.at(tmp_path / "s.sqlite")
    store.register([A])
    store.assign("R", [A.id])
    item = item_of(store)
    full = [True]

    def limit(connection: Any, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages if full[0] else 100000}")

    def fill() -> None:
        for i in range(1000):
            store.comment(item, "x" * 3000)
            store.mark(item, change("hip", i))

    event.listen(store._engine, "checkout", limit)
    with pytest.raises(StoreUnavailable, match="full"):
        fill()
    acknowledged = store.event_ids()
    full[0] = False
    assert store.derived() == store.all_marks()
    result = store.mark(item, change("hip", len(acknowledged)))
    assert isinstance(result, Stored)
    assert result.mark.version == len(acknowledged) + 1
    store.close()


def test_a_session_is_the_browsers_and_ends(store: Store) -> None:
    store.open_session("secret", "R", days=1)
    store.open_session("old", "R", days=-1)
    assert store.session("secret") == "R"
    assert store.session("old") is None
    assert store.session("other") is None
    with store._engine.connect() as c:
        assert "secret" not in c.execute(sa.text("SELECT secret FROM sessions")).scalars().all()
    store.close_session("secret")
    assert store.session("secret") is None
