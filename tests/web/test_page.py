"""The page in a real browser, before the real server: what a reader does, and what is then in the file.

Where something lies on the screen is never asked of the page. A film has single lit pixels at known places; they are found in a
screenshot, and there the mouse goes.
"""

import csv
import io
import json
import os
import re
import signal
import socket
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, cast

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import sync_playwright

from browser import ARGUMENTS, CHROMIUM, Server, Watched, chromium, need_chromium, serving, until
from dicom_files import film as dicom
from radmark import phantom
from radmark.core import Film, Marks
from radmark.core.marks import Model
from radmark.io import read_scheme, shipped_schemes
from radmark.web.accounts import Account
from radmark.web.app import Address, Annotator, create_app
from radmark.web.films import Films
from radmark.web.project import open_project
from radmark.web.proposals import Predict, Proposer
from radmark.web.store import Store

pytestmark = pytest.mark.slow

KIND = "knee-radiograph"  # eight landmarks
LIT = (71, 38)  # the one lit pixel of lit.png
NAMES = read_scheme(KIND).names
STEP = 4  # device pixels a pixel of the film in the tests of single pixels


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def write_gray(file: Path, pixels: NDArray[np.uint16]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def with_beacons(film: phantom.Phantom) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """A phantom, darker, with one lit pixel at the rounded place of each landmark; (K, 2) where they are."""
    pixels = (film.pixels * 0.5).astype(np.uint16)
    lit = np.rint(film.points).astype(np.int64)
    for x, y in lit:
        pixels[y, x] = 65535
    return pixels, lit


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[phantom.Phantom]]:
    """Four knees with a lit pixel at each landmark."""
    folder = tmp_path_factory.mktemp("knees")
    films = [phantom.render(KIND, seed, 400) for seed in range(4)]
    for i, film in enumerate(films):
        write_gray(folder / f"knee-{i}.png", with_beacons(film)[0])
    return folder, films


@pytest.fixture(scope="module")
def shared(phantoms: tuple[Path, list[phantom.Phantom]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for most tests: each is a reader of its own, who sees nothing of the others."""
    folder = tmp_path_factory.mktemp("shared")
    dark = np.zeros((90, 120), dtype=np.uint16)
    dark[LIT[1], LIT[0]] = 65535
    write_gray(phantoms[0] / "single" / "lit.png", dark)
    write_gray(phantoms[0] / "single" / "dark.png", np.zeros((1600, 1600), dtype=np.uint16))
    tables = [f'[[reader]]\nname = "knees {i}"\nimages = ["knee-*.png"]\n' for i in range(24)]
    tables += [f'[[reader]]\nname = "lit {i}"\nimages = ["single/lit.png"]\n' for i in range(3)]
    tables += ['[[reader]]\nname = "dark"\nimages = ["single/dark.png"]\n']
    (folder / "readers.toml").write_text("".join(tables), encoding="utf-8")
    arguments = ("--scheme", KIND, "--readers", folder / "readers.toml", "--project", folder / "project")
    with serving(phantoms[0], *arguments) as running:
        running.database = folder / "project" / "annotations.sqlite"
        yield running


@pytest.fixture
def own(phantoms: tuple[Path, list[phantom.Phantom]], tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed."""
    with serving(phantoms[0], "--scheme", KIND, "--reader", "Dr A", "--project", tmp_path / "project") as running:
        running.database = tmp_path / "project" / "annotations.sqlite"
        yield running


def visit(browser: Any, server: Server, who: str = "", *, ratio: float = 1) -> Watched:
    """A fresh browser profile with a reader's page in it: the next reader whose name begins so."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, device_scale_factor=ratio)
    reader = next(name for name in server.links if name.startswith(who))
    watched = Watched(context.new_page(), server.origin, reader)
    watched.page.goto(server.links.pop(reader))
    watched.opened()
    return watched


def events(server: Server) -> list[sqlite3.Row]:
    """All that was ever stored, in order, read from the file by sqlite alone."""
    connection = sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute("SELECT * FROM events ORDER BY id").fetchall()
    finally:
        connection.close()


def marks(server: Server, watched: Watched) -> dict[str, sqlite3.Row]:
    """landmark -> the last of the reader's events about it."""
    return {row["landmark"]: row for row in events(server) if row["reader"] == watched.reader}


def n_events(server: Server, watched: Watched) -> int:
    return sum(row["reader"] == watched.reader for row in events(server))


def drawn(page: Any) -> None:
    """Wait until what was asked for has been drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def screen(page: Any) -> NDArray[np.int64]:
    """(H, W, 3) device pixels of the whole window as they are shown."""
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        return np.asarray(shot.convert("RGB")).astype(np.int64)


def stage_box(watched: Watched, ratio: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the film's canvas in device pixels."""
    box = watched.page.locator("#film").bounding_box()
    return tuple(round(v * ratio) for v in (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]))


def spots(watched: Watched, ratio: float) -> list[tuple[float, float]]:
    """Centres of the lit spots on the film, device pixels from the window's corner to the middle of a pixel at n + 0.5.

    The window was narrowed before until only lit pixels are seen.
    """
    from scipy import ndimage

    left, top, right, bottom = stage_box(watched, ratio)
    shot = screen(watched.page)[top:bottom, left:right]
    gray = np.where(np.ptp(shot, axis=2) == 0, shot[..., 0], 0)  # words and marks on the film are coloured
    gray[: round(60 * ratio)] = 0
    gray[-round(70 * ratio) :] = 0
    found, n = cast("tuple[np.ndarray, int]", ndimage.label(gray > 10, structure=np.ones((3, 3))))
    centres = ndimage.center_of_mass(gray, found, range(1, n + 1))
    return [(x + 0.5 + left, y + 0.5 + top) for y, x in centres]


def only_the_brightest(watched: Watched) -> None:
    """Window the film until nothing is seen but what is nearly white, and set it back by `v` later."""
    for key in ["c"] * 9 + ["Shift+B"] * 20:
        watched.page.keyboard.press(key)
    drawn(watched.page)


def shown_percent(page: Any) -> float:
    return float(re.findall(r"([\d.]+) %", page.inner_text("#readout"))[0])


def at(watched: Watched, ratio: float, u: float, v: float) -> None:
    """The mouse over the device pixel that holds (u, v)."""
    watched.page.mouse.move(int(u) / ratio, int(v) / ratio)


def matched(found: list[tuple[float, float]], lit: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Device pixels a pixel, and the (K, 2) spots of the lit pixels: the spots and the pixels have the same bounding box."""
    assert len(found) == len(lit)
    spots_ = np.array(found)
    scale = float(np.ptp(spots_[:, 1]) / np.ptp(lit[:, 1]))
    expected = (lit - lit.min(axis=0)) * scale + spots_.min(axis=0)
    order = [int(np.argmin(np.hypot(*(spots_ - e).T))) for e in expected]
    assert sorted(order) == list(range(len(lit)))
    return scale, spots_[order]


# -------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("ratio", [1, 2, 1.25])
def test_a_lit_pixel_lights_its_own_device_pixels_and_a_click_on_each_of_them_is_stored_as_that_part_of_it(
    browser: Any, shared: Server, ratio: float
) -> None:
    watched = visit(browser, shared, "lit", ratio=ratio)
    page = watched.page
    for key in ["s", "r", "l", "l"]:  # true pixels; one to one; no loupe
        page.keyboard.press(key)
    drawn(page)
    left, top, right, bottom = stage_box(watched, ratio)
    rows, columns = np.nonzero((screen(page)[top:bottom, left:right] == 255).all(axis=2))
    assert len(rows) == 1  # a pixel of the film is one of the screen
    page.keyboard.press("r")
    drawn(page)
    rows, columns = np.nonzero((screen(page)[top:bottom, left:right] == 255).all(axis=2))
    assert len(rows) == STEP**2
    assert (np.ptp(rows), np.ptp(columns)) == (STEP - 1, STEP - 1)
    page.keyboard.down("Control")  # the last point lies near
    for i in range(STEP):
        u, v = left + columns.min() + i, top + rows.min() + STEP - 1 - i
        page.mouse.move(u / ratio, v / ratio)
        page.mouse.down()
        page.mouse.up()
    page.keyboard.up("Control")
    watched.saved()
    stored = marks(shared, watched)
    for i, name in enumerate(NAMES[:STEP]):
        # The film's pixel x covers x - 1/2 to x + 1/2; the middle of the i-th of its four device pixels:
        assert stored[name]["x"] == pytest.approx(LIT[0] - 0.5 + (i + 0.5) / STEP, abs=0.002)
        assert stored[name]["y"] == pytest.approx(LIT[1] + 0.5 - (i + 0.5) / STEP, abs=0.002)
    watched.clean()


@pytest.mark.parametrize("ratio", [1, 2])
def test_eight_landmarks_by_mouse_are_stored_where_they_are(
    browser: Any, shared: Server, phantoms: tuple[Path, list[phantom.Phantom]], ratio: float
) -> None:
    film = phantoms[1][0]
    _, lit = with_beacons(film)
    watched = visit(browser, shared, "knees", ratio=ratio)
    page = watched.page
    only_the_brightest(watched)
    scale, seen = matched(spots(watched, ratio), lit)
    assert 1 < scale / ratio < 3
    page.keyboard.press("v")
    for name, truth, pixel, (u, v) in zip(NAMES, film.points, lit, seen, strict=True):
        assert page.inner_text("#prompt-name") == name.replace("_", " ")
        at(watched, ratio, u + (truth[0] - pixel[0]) * scale, v + (truth[1] - pixel[1]) * scale)
        page.mouse.down()
        page.mouse.up()
    watched.saved()
    stored = marks(shared, watched)
    for name, truth in zip(NAMES, film.points, strict=True):
        assert stored[name]["how"] == "placed"
        assert np.hypot(stored[name]["x"] - truth[0], stored[name]["y"] - truth[1]) < 0.5
    watched.clean()


@pytest.mark.parametrize("ratio", [1, 2])
def test_eight_landmarks_by_mouse_zoomed_in_at_each_are_stored_where_they_are(
    browser: Any, shared: Server, phantoms: tuple[Path, list[phantom.Phantom]], ratio: float
) -> None:
    film = phantoms[1][0]
    _, lit = with_beacons(film)
    watched = visit(browser, shared, "knees", ratio=ratio)
    page = watched.page
    only_the_brightest(watched)
    fitted, seen = matched(spots(watched, ratio), lit)
    for truth, pixel, (u, v) in zip(film.points, lit, seen, strict=True):
        page.keyboard.press("f")
        at(watched, ratio, u, v)
        for _ in range(5):
            page.mouse.wheel(0, -250)
        until(lambda: shown_percent(page) > 200 * fitted / ratio)
        page.wait_for_timeout(400)  # the wheel's last turn
        scale = shown_percent(page) / 100 * ratio  # only the fraction of a pixel hangs on it
        drawn(page)
        found = spots(watched, ratio)
        u, v = min(found, key=lambda spot: np.hypot(spot[0] - u, spot[1] - v))  # what was under the cursor still is
        at(watched, ratio, u + (truth[0] - pixel[0]) * scale, v + (truth[1] - pixel[1]) * scale)
        page.mouse.down()
        page.mouse.up()
        page.mouse.move(stage_box(watched, ratio)[0] / ratio + 5, 300)
    watched.saved()
    stored = marks(shared, watched)
    errors = [np.hypot(stored[n]["x"] - t[0], stored[n]["y"] - t[1]) for n, t in zip(NAMES, film.points, strict=True)]
    assert max(errors) < 0.15
    watched.clean()


def test_eight_landmarks_by_keyboard_alone_are_stored_where_they_are(
    browser: Any, shared: Server, phantoms: tuple[Path, list[phantom.Phantom]]
) -> None:
    film = phantoms[1][0]
    watched = visit(browser, shared, "knees")
    page = watched.page
    page.keyboard.press("l")
    page.keyboard.press("l")  # no loupe: the last look is at the marks
    for truth in film.points:
        page.keyboard.press("ArrowRight")
        drawn(page)
        x, y = (float(v) for v in re.findall(r"[xy] (-?[\d.]+)", page.inner_text("#readout"))[:2])
        assert re.search(r" gray \d+ ", page.inner_text("#readout"))
        for here, there, keys in ((x, truth[0], ("ArrowLeft", "ArrowRight")), (y, truth[1], ("ArrowUp", "ArrowDown"))):
            tenths = round((there - here) * 10)
            key = keys[tenths > 0]
            for size, modifiers in ((1000, "Control+Shift+"), (100, "Shift+"), (10, ""), (1, "Alt+")):
                for _ in range(abs(tenths) // size % (10 if size < 1000 else 99)):
                    page.keyboard.press(modifiers + key)
        page.keyboard.press("Enter")
    watched.saved()
    stored = marks(shared, watched)
    for name, truth in zip(NAMES, film.points, strict=True):
        assert stored[name]["how"] == "keyed"
        assert np.hypot(stored[name]["x"] - truth[0], stored[name]["y"] - truth[1]) < 0.1
    # And the crosses are drawn there: around the spot of its lit pixel lie a cross's four arms, alike on all sides.
    page.keyboard.press("e")
    only_the_brightest(watched)
    drawn(page)
    _, lit = with_beacons(film)
    scale, seen = matched(spots(watched, 1), lit)
    shot = screen(page)
    ink = (shot[..., 2] > 200) & (shot[..., 0] < 140)
    for truth, pixel, (u, v) in list(zip(film.points, lit, seen, strict=True))[:6]:
        left, top = round(u) - 14, round(v) - 14
        rows, columns = np.nonzero(ink[top : top + 28, left : left + 28])
        assert columns.mean() + left + 0.5 == pytest.approx(u + (truth[0] - pixel[0]) * scale, abs=0.5)
        assert rows.mean() + top + 0.5 == pytest.approx(v + (truth[1] - pixel[1]) * scale, abs=0.5)
    watched.clean()


def test_sliding_in_the_loupe_places_finer_than_the_screen_shows(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "dark")
    page = watched.page
    page.keyboard.down("Control")
    for slide in (0, 10):
        page.mouse.move(500, 400)
        page.mouse.down()
        page.mouse.move(500 + slide, 400)
        page.mouse.up()
    page.keyboard.up("Control")
    watched.saved()
    stored = marks(shared, watched)
    # The film, 1,600 pixels, is shown at less than half its size: the loupe shows six times half a pixel, ten steps are 10 / 3.
    assert stored[NAMES[1]]["x"] - stored[NAMES[0]]["x"] == pytest.approx(10 / 3, abs=0.001)
    assert stored[NAMES[1]]["y"] == stored[NAMES[0]]["y"]
    watched.clean()


# ------------------------------------------------------------------------------------------------- nothing is lost


def place(watched: Watched, n: int, first: int = 0) -> None:
    """Click n landmarks, far from each other."""
    box = watched.page.locator("#marks").bounding_box()
    for i in range(first, first + n):
        watched.page.mouse.click(box["x"] + 230 + 40 * (i % 4), box["y"] + 200 + 60 * (i // 4))


def marked(watched: Watched) -> int:
    return watched.page.locator("#landmarks button[data-state=present]").count()


def test_undo_and_redo_are_events_of_their_own_and_outlive_a_reload(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    place(watched, 3)
    page.keyboard.press("Control+z")
    watched.saved()
    assert (marked(watched), n_events(shared, watched)) == (2, 4)
    assert marks(shared, watched)[NAMES[2]]["state"] == "not_annotated"
    page.reload()
    watched.opened()
    assert marked(watched) == 2
    assert page.inner_text("#prompt-name") == NAMES[2].replace("_", " ")
    page.keyboard.press("Shift+U")
    watched.saved()
    assert marks(shared, watched)[NAMES[2]]["state"] == "present"
    for _ in range(3):
        page.keyboard.press("u")
    watched.saved()
    assert marked(watched) == 0
    assert {row["state"] for row in marks(shared, watched).values()} == {"not_annotated"}
    watched.clean()


def test_states_by_one_key(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    page.keyboard.press("3")  # the first is absent
    page.keyboard.press("2")  # the second will be occluded
    place(watched, 2)  # the second and the third
    page.keyboard.press("Shift+N")
    page.keyboard.press("2")  # the third is occluded where it is
    page.keyboard.press("n")
    watched.saved()
    stored = marks(shared, watched)
    assert [(stored[n]["state"], stored[n]["x"] is None) for n in NAMES[:3]] == [
        ("absent", True),
        ("occluded", False),
        ("occluded", False),
    ]
    page.reload()
    watched.opened()
    assert page.locator("#landmarks button").first.get_attribute("aria-label").endswith("absent")
    assert page.inner_text("#prompt-name") == NAMES[3].replace("_", " ")
    watched.clean()


def test_a_dragged_point_and_a_nudged_one_are_corrections(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    place(watched, 1)
    watched.saved()
    before = marks(shared, watched)[NAMES[0]]
    box = page.locator("#marks").bounding_box()
    x, y = box["x"] + 230, box["y"] + 200
    page.mouse.move(x + 3, y)  # it is taken a little beside, and keeps that
    page.mouse.down()
    page.mouse.move(x + 50, y + 40, steps=4)
    page.mouse.move(x + 3 + 32, y + 16, steps=2)
    page.mouse.up()
    watched.saved()
    moved = marks(shared, watched)[NAMES[0]]
    scale = 32 / (moved["x"] - before["x"])
    assert moved["how"] == "moved"
    assert 16 / (moved["y"] - before["y"]) == pytest.approx(scale)
    for key in ("Alt+ArrowLeft", "Shift+ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    watched.saved()
    nudged = marks(shared, watched)[NAMES[0]]
    assert nudged["x"] - moved["x"] == pytest.approx(-0.1, abs=1e-3)
    assert nudged["y"] - moved["y"] == pytest.approx(11, abs=1e-3)
    watched.clean()


def test_a_server_killed_in_the_middle_loses_nothing_and_the_page_never_says_saved_meanwhile(
    browser: Any, own: Server
) -> None:
    watched = visit(browser, own)
    page = watched.page
    place(watched, 2)
    watched.saved()
    watched.server_away = True
    own.kill()
    place(watched, 3, first=2)
    page.wait_for_selector("#saved[data-state=unsaved]")
    assert page.inner_text("#saved") == "NOT saved: 3 changes"
    assert "does not answer" in page.inner_text("#banner-away")
    page.wait_for_timeout(1200)
    assert page.get_attribute("#saved", "data-state") == "unsaved"
    assert n_events(own, watched) == 2
    own.start()
    watched.saved(15000)
    watched.server_away = False
    assert (marked(watched), n_events(own, watched), len(marks(own, watched))) == (5, 5, 5)
    assert page.locator("#banner-away").count() == 0
    place(watched, 1, first=5)
    watched.saved()
    assert n_events(own, watched) == 6
    watched.clean()


def test_a_browser_killed_while_the_server_is_away_loses_nothing(own: Server, tmp_path: Path) -> None:
    def session(work: Callable[[Watched, Any], None]) -> None:
        with sync_playwright() as play:
            context = play.chromium.launch_persistent_context(
                str(tmp_path / "profile"),
                executable_path=CHROMIUM,
                args=list(ARGUMENTS),
                viewport={"width": 1280, "height": 860},
            )
            work(Watched(context.new_page(), own.origin, "Dr A", server_away=True), context)

    def before(watched: Watched, _: Any) -> None:
        watched.page.goto(own.links["Dr A"])
        watched.opened()
        place(watched, 1)
        watched.saved()
        own.kill()
        place(watched, 3, first=1)
        watched.page.wait_for_selector("#saved[data-state=unsaved]")
        kill_browser_of(tmp_path / "profile")

    def after(watched: Watched, context: Any) -> None:
        watched.page.goto(own.links["Dr A"])  # Chromium writes cookies late, so the session may have gone with it
        watched.opened()
        until(lambda: n_events(own, watched) == 4)
        watched.saved()
        assert marked(watched) == 4
        context.close()

    need_chromium()
    with ThreadPoolExecutor(1) as thread:  # the module's own browser has the event loop of this one
        thread.submit(session, before).result()
        own.start()
        thread.submit(session, after).result()


def kill_browser_of(profile: Path) -> None:
    """SIGKILL to the browser that was started with this profile, which is the test's own."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if f"--user-data-dir={profile}" in words and not any(w.startswith("--type=") for w in words):
                    os.kill(int(process.name), signal.SIGKILL)
                    return
    raise AssertionError("no such browser")


# ----------------------------------------------------------------------------------------------------- several people


def test_two_tabs_on_one_film_the_slower_is_told_and_nothing_is_overwritten(browser: Any, shared: Server) -> None:
    one = visit(browser, shared, "knees")
    two = Watched(one.page.context.new_page(), shared.origin, one.reader)
    two.page.goto(shared.origin)
    two.opened()
    place(one, 1)
    one.saved()
    first = tuple(marks(shared, one)[NAMES[0]])
    place(two, 1, first=6)
    two.page.wait_for_selector("#question[open]")
    assert "nothing was overwritten" in two.page.inner_text("#question h2")
    assert tuple(marks(shared, one)[NAMES[0]]) == first
    two.page.click("#question button >> nth=0")
    two.saved()
    assert tuple(marks(shared, one)[NAMES[0]]) == first
    place(two, 1, first=6)  # the second landmark
    two.saved()
    place(one, 1, first=5)
    one.page.wait_for_selector("#question[open]")
    one.page.click("#question button >> nth=1")  # store mine instead
    until(lambda: marks(shared, one)[NAMES[1]]["version"] == 2)
    one.saved()
    for watched in (one, two):
        watched.clean()


READERS = """
[[reader]]
name = "Dr A"
[[reader]]
name = "Dr B"
[[reader]]
name = "Dr C"
[[reader]]
name = "Prof"
role = "adjudicator"
"""


def test_readers_see_their_own_points_and_the_adjudicator_all_of_them(
    browser: Any, phantoms: tuple[Path, list[phantom.Phantom]], tmp_path: Path
) -> None:
    (tmp_path / "readers.toml").write_text(READERS, encoding="utf-8")
    arguments = ("--scheme", KIND, "--readers", tmp_path / "readers.toml", "--project", tmp_path / "p")
    with serving(phantoms[0], *arguments) as server:
        server.database = tmp_path / "p" / "annotations.sqlite"
        pages: dict[str, Watched] = {}
        for i, (name, link) in enumerate(server.links.items()):
            page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
            pages[name] = watched = Watched(page, server.origin)
            page.goto(link)
            watched.opened()
            watched.reader = name
            if name != "Prof":
                box = page.locator("#marks").bounding_box()
                page.mouse.click(box["x"] + 300 + i, box["y"] + 240)
                page.mouse.click(box["x"] + 340 + i + (60 if name == "Dr C" else 0), box["y"] + 300)
                watched.saved()
                assert marked(watched) == 2
        prof = pages["Prof"]
        assert marked(prof) == 0
        prof.page.keyboard.press("y")
        prof.page.wait_for_selector("#readers-table table")
        second = prof.page.locator("#readers-table tbody tr").nth(1)
        assert second.locator("td").nth(1).inner_text() == "3"
        assert second.locator(".outlier").inner_text() == "Dr C"
        prof.page.click("[aria-label='Use the consensus for " + NAMES[0].replace("_", " ") + "']")
        prof.saved()
        rows = {row["reader"]: row for row in events(server) if row["landmark"] == NAMES[0]}
        assert rows["Prof"]["how"] == "adjudicated"
        assert rows["Prof"]["x"] == pytest.approx(
            rows["Dr B"]["x"], abs=0.05
        )  # the median of three in a row is the middle one
        prof.page.keyboard.press("Shift+P")
        prof.page.wait_for_selector("#table[open]")
        assert prof.page.locator("#table-body tbody tr").count() == 4
        for watched in pages.values():
            watched.clean()


# ---------------------------------------------------------------------------------------------------- the model's part


@contextmanager
def proposing(images: Path, folder: Path, predict: Predict) -> Iterator[Server]:
    """The server in a thread of this process, with a model that needs no torch."""
    store = Store.at(folder / "annotations.sqlite")
    films = Films(images)
    proposer = Proposer("run test", predict, store, films)
    scheme = read_scheme(KIND)
    annotator = Annotator(open_project("knees", scheme, store, films, (Account("A"),), proposer=proposer))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address("127.0.0.1", listening.getsockname()[1])
        config = uvicorn.Config(create_app(annotator, address), lifespan="off", log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listening],))
        thread.start()
        link = address.base + annotator.link("A")
        yield Server([], port=address.port, links={"A": link}, database=folder / "annotations.sqlite")
        server.should_exit = True
        thread.join()
    proposer.stop()
    store.close()


def test_a_proposal_is_nobodys_until_it_is_accepted_and_a_dragged_one_is_moved(
    browser: Any, phantoms: tuple[Path, list[phantom.Phantom]], tmp_path: Path
) -> None:
    scheme = read_scheme(KIND)
    offered = phantoms[1][0].points + np.array([7.125, -3.0625])

    def predict(film: Film) -> Marks:
        sure = np.linspace(0.9, 0.2, len(NAMES))
        return Marks.present(scheme, film.frame, offered, film=film.name, author=Model(""), confidence=sure)

    with proposing(phantoms[0], tmp_path, predict) as server:
        watched = visit(browser, server)
        page = watched.page
        page.wait_for_selector("#proposal-status >> text=8 proposals")
        assert page.locator("#landmarks button").first.get_attribute("aria-label").endswith("not accepted")
        assert n_events(server, watched) == 0
        page.keyboard.press("a")
        watched.saved()
        assert list(marks(server, watched)) == [NAMES[0]]
        # The second proposal lies here; it is dragged, which makes it the reader's own.
        only_the_brightest(watched)
        scale, seen = matched(spots(watched, 1), with_beacons(phantoms[1][0])[1])
        u, v = seen[1] + (offered[1] - np.rint(phantoms[1][0].points[1])) * scale
        at(watched, 1, u, v)
        page.mouse.down()
        page.mouse.move(int(u) + 30, int(v) + 40, steps=4)
        page.mouse.up()
        page.keyboard.press("Shift+A")
        watched.saved()
        stored = marks(server, watched)
        assert [stored[name]["how"] for name in NAMES] == ["accepted", "moved"] + ["accepted"] * 6
        for i, name in enumerate(NAMES):
            away = np.array([stored[name]["x"], stored[name]["y"]]) - offered[i]
            assert away == pytest.approx([30 / scale, 40 / scale] if i == 1 else [0, 0], abs=0.05 if i == 1 else 1e-9)
        assert page.inner_text("#prompt-kind") == "All 8 have a state"
        watched.clean()


# ------------------------------------------------------------------------------------------------- for every reader


def test_every_control_has_a_name_as_the_browser_computes_it(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    session = page.context.new_cdp_session(page)
    for view in ("page", "help", "ball"):
        if view == "help":
            page.keyboard.press("h")
        if view == "ball":
            page.keyboard.press("Escape")
            page.click("#ball")
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        controls = {
            "button", "combobox", "searchbox", "textbox", "spinbutton", "listbox", "option", "link", "application", "slider",
            "progressbar", "dialog", "checkbox", "ComboBoxSelect",
        }  # fmt: skip
        found = [n for n in nodes if not n.get("ignored") and n.get("role", {}).get("value") in controls]
        assert len(found) > 25 or view == "help"
        nameless = [n for n in found if not n.get("name", {}).get("value", "").strip()]
        assert [(n["role"]["value"], n.get("properties")) for n in nameless] == []
    watched.clean()


def test_the_whole_page_is_reached_by_the_tab_key_and_focus_is_seen(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.id || e.dataset.action || e.tagName, s.outlineStyle !== 'none' || e.id === 'list'] })()"
        )
        assert seen[1] or seen[0] == "BODY", f"focus on {seen[0]} is not seen"
        reached.add(seen[0])
    assert {"find", "filter", "order", "list", "marks", "fit", "done", "undo", "hand", "help", "display"} - {
        "undo"
    } <= reached
    watched.clean()


def test_a_side_that_is_the_other_one_is_said_while_placing(browser: Any, tmp_path: Path) -> None:
    film = phantom.render("pelvis-radiograph", 0, 400)
    write_gray(tmp_path / "films" / "pelvis.png", film.pixels)
    with serving(
        tmp_path / "films", "--scheme", "pelvis-radiograph", "--reader", "A", "--project", tmp_path / "p"
    ) as server:
        watched = visit(browser, server)
        page = watched.page
        box = page.locator("#marks").bounding_box()
        middle = box["x"] + box["width"] / 2
        page.mouse.click(middle - 100, box["y"] + 300)  # the right one, on the left of the film: right
        assert page.locator("#side-warning").is_hidden()
        page.mouse.click(middle - 200, box["y"] + 300)  # the left one, further left
        assert "teardrop left is the patient's left" in page.inner_text("#side-warning")
        page.keyboard.press("u")
        page.mouse.click(middle + 100, box["y"] + 300)
        assert page.locator("#side-warning").is_hidden()
        watched.clean()


def test_how_a_film_lies_is_said_by_the_film_or_by_the_reader_and_never_by_default(
    browser: Any, tmp_path: Path
) -> None:
    write_gray(tmp_path / "films" / "a.png", np.zeros((300, 300), dtype=np.uint16))
    dicom(tmp_path / "films" / "b.dcm", np.zeros((300, 300), np.uint16), bits=16, PatientOrientation=["R", "F"])
    with serving(
        tmp_path / "films", "--scheme", "pelvis-radiograph", "--reader", "A", "--project", tmp_path / "p"
    ) as server:
        watched = visit(browser, server)
        page = watched.page
        assert "orientation unknown" in page.inner_text("#film-flags")
        assert page.input_value("#display") == ""
        with page.expect_request("**/measurements*") as asked:
            page.select_option("#display", "standard")
        assert "display=standard" in asked.value.url
        assert "orientation unknown" not in page.inner_text("#film-flags")
        with page.expect_request("**/measurements*") as asked:
            page.keyboard.press("PageDown")
        watched.opened("b.dcm")
        assert "display" not in asked.value.url  # the film says it itself
        assert (page.input_value("#display"), page.is_disabled("#display")) == ("mirrored", True)
        assert page.inner_text("#side-left") == "L"
        assert "right is on the right of the picture" in page.inner_text("#film-flags")
        watched.clean()


def test_a_known_distance_and_a_ball_give_millimetres(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    box = page.locator("#marks").bounding_box()
    x, y = box["x"] + 250, box["y"] + 250
    page.keyboard.press("k")
    page.mouse.click(x, y)
    page.mouse.click(x + 200, y)
    px = float(re.findall(r"([\d.]+) px", page.inner_text("#tool-prompt"))[0])
    page.fill("#mm", "50")
    page.click("#calibrate-now")
    page.wait_for_function("() => document.querySelector('#spacing').textContent.includes('known distance')")
    assert float(page.inner_text("#spacing").split(" ")[0]) == pytest.approx(50 / px, abs=1e-4)
    page.keyboard.press("m")
    page.mouse.click(x, y)
    page.mouse.click(x + 200, y)
    assert page.inner_text("#said").startswith("50.0 mm")
    page.mouse.click(x + 200, y + 100)
    assert page.inner_text("#said").startswith("90.0°")
    page.click("#ball")
    for dx, dy in ((60, 0), (-60, 0), (0, 60), (0, -60)):
        page.mouse.click(x + dx, y + dy)
    page.fill("#mm", "25.4")
    page.click("#calibrate-now")
    page.wait_for_function("() => document.querySelector('#spacing').textContent.includes('rim fits')")
    assert float(page.inner_text("#spacing").split(" ")[0]) == pytest.approx(25.4 / (px * 120 / 200), abs=1e-4)
    watched.clean()


def test_done_films_go_on_comments_are_kept_and_filters_count(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    assert page.inner_text("#film-name") == "knee-0.png"
    page.keyboard.press("o")
    page.keyboard.type("metal in the field")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    watched.opened("knee-1.png")
    watched.saved()
    assert page.inner_text("#counts").startswith("1 of 4 done")
    page.keyboard.press("PageDown")
    watched.opened("knee-2.png")
    page.select_option("#filter", "commented")
    page.wait_for_function("() => document.querySelectorAll('#list .film').length === 1")
    assert page.inner_text("#list .film span") == "knee-0.png"
    page.select_option("#filter", "todo")
    page.wait_for_function("() => document.querySelectorAll('#list .film').length === 3")
    page.focus("#list")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    watched.opened("knee-3.png")
    page.reload()
    watched.opened("knee-3.png")
    watched.clean()


def test_the_left_handed_layout_mirrors_the_page_and_points_still_land(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    page = watched.page
    page.click("#hand")
    panel, films = page.locator("#panel").bounding_box(), page.locator("#films").bounding_box()
    assert panel["x"] < films["x"]
    only_the_brightest(watched)
    film = phantom.render(KIND, 0, 400)
    scale, seen = matched(spots(watched, 1), with_beacons(film)[1])
    at(watched, 1, *seen[0])
    page.mouse.down()
    page.mouse.up()
    watched.saved()
    stored = marks(shared, watched)[NAMES[0]]
    assert np.hypot(*(np.array([stored["x"], stored["y"]]) - np.rint(film.points[0]))) < 0.6 / scale
    watched.clean()


def test_ten_thousand_films_scroll_like_ten(browser: Any, tmp_path: Path) -> None:
    one = tmp_path / "one.png"
    write_gray(one, np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    (tmp_path / "films").mkdir()
    raw = one.read_bytes()
    for i in range(10_000):
        (tmp_path / "films" / f"film-{i}.png").write_bytes(raw)
    with serving(tmp_path / "films", "--scheme", KIND, "--reader", "A", "--project", tmp_path / "p") as server:
        watched = visit(browser, server)
        page = watched.page
        assert "of 10000 done" in page.inner_text("#counts")
        assert page.locator("#list .film").count() < 60
        page.evaluate("document.querySelector('#list').scrollTop = 1e9")
        page.wait_for_selector("#list .film >> text=film-9999.png")
        assert page.locator("#list .film").count() < 60
        page.click("#list .film[data-index='9999']")
        watched.opened("film-9999.png")
        page.fill("#find", "film-77")
        page.wait_for_function("() => document.querySelector('#list .film span')?.textContent === 'film-77.png'")
        assert page.locator("#list .film").first.get_attribute("aria-setsize") == "111"  # 77, 770 … 779, 7700 … 7799
        watched.clean()


def test_the_diagram_knows_every_shipped_scheme_with_a_layout() -> None:
    static = Path(phantom.__file__).parents[1] / "web" / "static"
    layouts = json.loads((static / "layouts.json").read_text(encoding="utf-8"))
    for name in shipped_schemes():
        assert set(layouts[name]) == set(read_scheme(name).names)


def test_the_exported_table_holds_what_was_clicked(browser: Any, shared: Server) -> None:
    watched = visit(browser, shared, "knees")
    place(watched, 2)
    watched.saved()
    cookies = watched.page.context.cookies()
    request = urllib.request.Request(
        f"{shared.origin}/api/export?format=csv",
        headers={"Cookie": "; ".join(f"{c['name']}={c['value']}" for c in cookies)},
    )
    with urllib.request.urlopen(request) as answer:
        rows = list(csv.DictReader(answer.read().decode("utf-8").splitlines()))
    assert [row["image_name"] for row in rows] == ["knee-0.png"]
    shown = watched.page.locator("#landmarks .where").first.inner_text()
    assert [float(v) for v in shown.split(", ")] == [
        pytest.approx(float(rows[0][f"{NAMES[0]}_{axis}"]), abs=0.051) for axis in "xy"
    ]
    watched.clean()
