"""What annotating costs: click to durable, alone and with fifty readers at once; a large film; a list of 10,000 films.

    python benchmarks/annotate.py [--db postgresql+psycopg://USER@HOST/EMPTY]

It makes its own films in a temporary folder and starts the real server, `radmark annotate`, in a process of its own.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

LANDMARKS = [f"landmark_{i}" for i in range(19)]


def films(folder: Path, n: int, size: int) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 65536, (size, size), np.uint16)
    pixels = (pixels // 64 + np.linspace(0, 50000, size, dtype=np.uint16)).astype(np.uint16)
    Image.fromarray(pixels).save(folder / "film-0.png", compress_level=1)
    data = (folder / "film-0.png").read_bytes()
    for i in range(1, n):
        (folder / f"film-{i}.png").write_bytes(data)


class Running:
    def __init__(self, folder: Path, readers: int, db: str | None) -> None:
        (folder.parent / "scheme.txt").write_text("\n".join(LANDMARKS))
        (folder.parent / "readers.toml").write_text("".join(f'[[reader]]\nname = "R{i}"\n' for i in range(readers)))
        words = [sys.executable, "-m", "radmark.cli", "annotate", str(folder), "--no-browser"]
        words += ["--scheme", str(folder.parent / "scheme.txt"), "--readers", str(folder.parent / "readers.toml")]
        began = time.perf_counter()
        self.process = subprocess.Popen(words + (["--db", db] if db else []), stdout=subprocess.PIPE, text=True)
        links: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            links += re.findall(r"http://\S+", line)
            if "Ctrl-C" in line:
                break
        self.started_s = time.perf_counter() - began
        self.clients: list[httpx.Client] = []
        for link in links:
            base = link.split("/?")[0]
            client = httpx.Client(base_url=base, headers={"origin": base}, timeout=60)
            for _ in range(100):
                try:
                    client.get(link).raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            self.clients.append(client)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def timed(say: str, what, times: int = 20) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        took.append(1000 * (time.perf_counter() - began))
    print(f"{say:62} p50 {np.percentile(took, 50):8.1f} ms   p99 {np.percentile(took, 99):8.1f} ms   n {times}")


def clicks(client: httpx.Client, seconds: float, pause_s: float, took: list[float]) -> None:
    images = [i["id"] for i in client.get("/api/images").json()["images"]]
    shown = [client.get(f"/api/images/{image}").json()["landmarks"] for image in images]
    versions = {(i, n): m["version"] for i, marks in zip(images, shown, strict=True) for n, m in marks.items()}
    end, n = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        n += 1
        key = images[n % len(images)], LANDMARKS[n % len(LANDMARKS)]
        body = {"event_id": str(uuid.uuid4()), "base_version": versions.get(key, 0), "landmark": key[1]}
        body |= {"x": float(n % 100), "y": 5.0, "state": "present", "how": "placed"}
        began = time.perf_counter()
        answer = client.post(f"/api/images/{key[0]}/events", json=body)
        if answer.status_code == 429:
            time.sleep(0.1)
            continue
        assert answer.status_code == 200, answer.text
        took.append(1000 * (time.perf_counter() - began))
        versions[key] = answer.json()["version"]
        time.sleep(pause_s)


def crowd(clients: list[httpx.Client], seconds: float, pause_s: float, say: str) -> None:
    took: list[float] = []
    threads = [threading.Thread(target=clicks, args=(client, seconds, pause_s, took)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(took) / seconds
    print(
        f"{say:62} p50 {np.percentile(took, 50):8.1f} ms   p99 {np.percentile(took, 99):8.1f} ms   "
        f"n {len(took)}   {rate:.0f} a second"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db")
    parser.add_argument("--seconds", type=float, default=10.0)
    db, seconds = (args := parser.parse_args()).db, args.seconds
    print("PostgreSQL" if db else "SQLite")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "films"
        films(folder, 4, 3000)
        running = Running(folder, 50, db)
        one = running.clients[0]
        ids = [i["id"] for i in one.get("/api/images").json()["images"]]
        for i, say in ((0, "first opening of a 16-bit 3,000 x 3,000 film, all pixels here"), (0, "the same again")):
            timed(
                say, lambda i=i: one.get(f"/api/images/{ids[i]}/pixels").raise_for_status(), 1 if say[0] == "f" else 10
            )
        for client in running.clients:
            client.get(f"/api/images/{ids[0]}").raise_for_status()
        for id_ in ids:
            one.get(f"/api/images/{id_}").raise_for_status()
        crowd([one], seconds, 0.05, "click to durable, one reader")
        crowd(running.clients, seconds, 1.0, "the same, fifty readers, a click a second each")
        crowd(running.clients, seconds, 0.0, "the same, fifty readers as fast as they can")
        running.stop()
    if db:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "films"
        films(folder, 10000, 64)
        running = Running(folder, 2, None)
        print(f"first start with 10,000 films: {running.started_s:.1f} s")
        running.stop()
        running = Running(folder, 2, None)
        print(f"second start: {running.started_s:.1f} s")
        one = running.clients[0]
        for say, query in (
            ("a page of 100 of 10,000", "limit=100"),
            ("the last page", "limit=100&offset=9900"),
            ("a search", "q=film-99"),
            ("what is not done", "state=todo&offset=5000"),
        ):
            timed(say, lambda query=query: one.get(f"/api/images?{query}").raise_for_status())
        middle = one.get("/api/images?offset=5000&limit=1").json()["images"][0]["id"]
        timed(
            "opening one in the middle, with its neighbours",
            lambda: one.get(f"/api/images/{middle}").raise_for_status(),
        )
        timed("the project", lambda: one.get("/api/project").raise_for_status())
        running.stop()


if __name__ == "__main__":
    main()
