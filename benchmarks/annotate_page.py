"""What a reader waits for on the annotation page: a click until it is saved, a film until it is seen, a long list.

python benchmarks/annotate_page.py [CLICKS]

Chromium without a window and without a GPU before `radmark annotate`, both on this machine. The scripted reader knows where the
landmarks are and moves at once: its seconds are the page's share of the work, not a person's.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import Server, Watched, chromium, serving
from radmark import phantom

KIND = "knee-radiograph"
N_LANDMARKS = 8


def visit(browser: Any, server: Server) -> Watched:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(server.links["A"])
    watched = Watched(page, server.origin)
    watched.opened()
    return watched


def measured(page: Any, name: str) -> list[float]:
    """Milliseconds of what the page measured itself, and forgets then."""
    taken = page.evaluate(f"() => performance.getEntriesByName('{name}').map(e => e.duration)")
    page.evaluate("() => performance.clearMeasures()")
    return taken


def row(what: str, ms: list[float]) -> None:
    p99 = float(np.percentile(ms, 99))
    print(f"{what:58} {len(ms):4} {statistics.median(ms):9.0f} {p99:9.0f}")


def session(browser: Any, server: Server, n_films: int) -> None:
    """Films one after the other, eight clicks and a key each."""
    watched = visit(browser, server)
    page = watched.page
    box = page.locator("#marks").bounding_box()
    began = time.perf_counter()
    for i in range(n_films):
        watched.opened(f"knee-{i}.png")
        for k in range(N_LANDMARKS):
            page.mouse.click(box["x"] + 250 + 30 * k, box["y"] + 200 + 40 * (k % 4))
        page.keyboard.press("d")
    watched.saved(60000)
    seconds = (time.perf_counter() - began) / n_films
    print(f"scripted session: {N_LANDMARKS} clicks, 1 key and {seconds:.2f} s a film ({n_films} films, all stored)")


def clicks(browser: Any, server: Server, n: int) -> None:
    watched = visit(browser, server)
    page = watched.page
    box = page.locator("#marks").bounding_box()
    measured(page, "radmark-saved")
    for i in range(n):
        page.mouse.click(box["x"] + 250 + 7 * (i % 30), box["y"] + 200 + 9 * (i % 7))
        watched.saved()
        page.keyboard.press("Shift+N")
        page.keyboard.press("4")
        watched.saved()
    row("click or key until the server has said saved, ms", measured(page, "radmark-saved"))


def opening(browser: Any, folder: Path, n: int) -> None:
    with serving(folder, "--scheme", KIND, "--reader", "A", "--project", folder.parent / "p2") as server:
        watched = visit(browser, server)
        page = watched.page
        first = measured(page, "radmark-opened")
        for i in range(1, n):
            page.wait_for_timeout(1500)  # the next film is fetched meanwhile, as it is for a reader
            page.keyboard.press("PageDown")
            watched.opened(f"big-{i}.png")
        row("16-bit 3,000 x 3,000, first film until it is drawn, ms", first)
        row("the next one, fetched ahead, ms", measured(page, "radmark-opened"))
        frames = page.evaluate(
            """async () => {
              const stage = document.querySelector('#marks'), box = stage.getBoundingClientRect(), taken = [];
              const at = (type, x, y, button, buttons) => stage.dispatchEvent(new PointerEvent(type,
                {clientX: box.x + x, clientY: box.y + y, button, buttons, pointerId: 1, bubbles: true}));
              stage.setPointerCapture = () => {};
              for (const button of [1, 2]) {
                at('pointerdown', 200, 200, button, button === 1 ? 4 : 2);
                for (let i = 0; i < 60; i += 1) {
                  at('pointermove', 200 + 3 * i, 200 + i, -1, button === 1 ? 4 : 2);
                  const began = performance.now();
                  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                  taken.push([button, performance.now() - began]);
                }
                at('pointerup', 380, 260, button, 0);
              }
              return taken;
            }"""
        )
        row("a step of a pan, whole film in sight, ms", [ms for button, ms in frames if button == 1])
        row("a step of window and level, whole film in sight, ms", [ms for button, ms in frames if button == 2])


def long_list(browser: Any, folder: Path) -> None:
    folder.mkdir()
    one = folder / "film-0.png"
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(one)
    raw = one.read_bytes()
    for i in range(1, 10_000):
        (folder / f"film-{i}.png").write_bytes(raw)
    began = time.perf_counter()
    with serving(folder, "--scheme", KIND, "--reader", "A", "--project", folder.parent / "p3") as server:
        print(f"10,000 films: the server is up after {time.perf_counter() - began:.1f} s")
        page = visit(browser, server).page
        taken: list[float] = []
        for share in (0.9, 0.1, 0.5, 1.0, 0.0, 0.7):
            began = time.perf_counter()
            page.evaluate(
                f"() => {{ const l = document.querySelector('#list'); l.scrollTop = {share} * l.scrollHeight }}"
            )
            page.wait_for_function(
                "() => [...document.querySelectorAll('#list .film span')].every(e => e.textContent !== '…')"
                " && document.querySelector('#list').scrollTop >= 0"
            )
            page.wait_for_timeout(80)
            page.wait_for_function(
                "() => [...document.querySelectorAll('#list .film span')].every(e => e.textContent !== '…')"
            )
            taken.append(1000 * (time.perf_counter() - began))
        rows = page.locator("#list .film").count()
        row(f"a jump in a list of 10,000 ({rows} rows in the page), ms", taken)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        (folder / "knees").mkdir()
        (folder / "big").mkdir()
        for i in range(10):
            Image.fromarray(phantom.render(KIND, i, 512).pixels).save(folder / "knees" / f"knee-{i}.png")
        with serving(folder / "knees", "--scheme", KIND, "--reader", "A", "--project", folder / "p0") as server:
            session(browser, server, 10)
        print(f"{'':58} {'n':>4} {'median':>9} {'p99':>9}")
        with serving(folder / "knees", "--scheme", KIND, "--reader", "A", "--project", folder / "p1") as server:
            clicks(browser, server, n)
        noise = np.random.default_rng(0).integers(0, 65536, (3000, 3000), np.uint16)
        for i in range(4):
            Image.fromarray(np.roll(noise, i, axis=0)).save(folder / "big" / f"big-{i}.png", compress_level=1)
        opening(browser, folder / "big", 4)
        long_list(browser, folder / "many")


if __name__ == "__main__":
    main()
