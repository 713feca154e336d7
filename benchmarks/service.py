"""The service under load from a second process: throughput, p50, p99, memory, and whether every answer is the caller's own.

    python benchmarks/service.py [--requests 10000] [--callers 8] [--batch 1] [--run RUN --image FILE]

Without --run it serves the tests' model without a network (tests/lantern.py): small pictures with one lit pixel each, so what is
measured is the service itself, and each answer is checked against where the pixel was. With --run it sends one image to a trained
model again and again, and every answer must be the first one.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from lantern import OFFSETS, picture

LANTERN = Path(__file__).parent.parent / "tests" / "lantern.py"


def memory_mb(pid: int, which: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(which))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1, help="images in a pass of the network")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--image", type=Path)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        url = Path(name) / "url"
        if options.run is None:
            command = [sys.executable, str(LANTERN), str(url), "--batch", str(options.batch)]
        else:
            command = [sys.executable, "-m", "radmark.cli", "serve", str(options.run), "--port", "0"]
        with (Path(name) / "log").open("wb") as log, (Path(name) / "out").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=log)
        try:
            said = url if options.run is None else Path(name) / "out"
            while not said.exists() or "http" not in said.read_text(encoding="utf-8"):
                time.sleep(0.1)
            home = said.read_text(encoding="utf-8").split("/v1/")[0].strip()
            taken: list[float] = []
            told: Counter[int] = Counter()
            wrong = 0
            same = options.image.read_bytes() if options.image else b""
            memory: list[float] = []
            with httpx.Client(base_url=home, timeout=300) as client:
                first = client.post("/v1/predict", content=same).json() if options.run else None

                def ask(i: int) -> None:
                    nonlocal wrong
                    x, y = i % 64, i % 48
                    content = same or picture(x, y)
                    while True:
                        began = time.monotonic()
                        response = client.post("/v1/predict", content=content)
                        told[response.status_code] += 1
                        if response.status_code != 429:
                            break
                        time.sleep(0.02)
                    taken.append(time.monotonic() - began)
                    answer = response.json()
                    if first is not None:
                        wrong += answer != first
                    else:
                        points = [[p["x"], p["y"]] for p in answer["image"]["landmarks"].values()]
                        wrong += points != (np.array([x, y]) + OFFSETS).tolist()

                began = time.monotonic()
                share = max(1, options.requests // 10)
                with ThreadPoolExecutor(options.callers) as pool:
                    for start in range(0, options.requests, share):
                        list(pool.map(ask, range(start, min(start + share, options.requests))))
                        memory.append(memory_mb(process.pid, "VmRSS"))
                seconds = time.monotonic() - began
            peak = memory_mb(process.pid, "VmHWM")
        finally:
            process.terminate()
            code = process.wait()
    cut = statistics.quantiles(taken, n=100)
    print(f"{options.requests} requests by {options.callers} callers: {options.requests / seconds:.1f} a second")
    print(f"p50 {1000 * cut[49]:.0f} ms, p99 {1000 * cut[98]:.0f} ms; statuses {dict(told)}; wrong answers {wrong}")
    print(f"memory after each tenth, MB: {' '.join(f'{m:.0f}' for m in memory)}; peak {peak:.0f}; ended with {code}")


if __name__ == "__main__":
    main()
