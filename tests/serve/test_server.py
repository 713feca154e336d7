"""The service as a process of its own: under load, and told to stop in the middle of it."""

import contextlib
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest

from lantern import OFFSETS, picture
from lantern import __file__ as lantern_file


@dataclass
class Running:
    """A service of the lantern."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log_file.read_text(encoding="utf-8").splitlines()]

    def memory_mb(self, which: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith(which)]
        return int(line.split()[1]) / 1024


@contextlib.contextmanager
def running(folder: Path, *flags: object) -> Iterator[Running]:
    url, log = folder / "url", folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, str(lantern_file), str(url), *map(str, flags)], stderr=stream)
    try:
        while not url.exists():
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        yield Running(process, url.read_text(encoding="utf-8"), log)
    finally:
        process.kill()
        process.wait()


def found(response: httpx.Response) -> list[list[float]]:
    return [[p["x"], p["y"]] for p in response.json()["image"]["landmarks"].values()]


@pytest.mark.slow
def test_under_load_every_answer_is_the_callers_own_and_memory_stays_flat(tmp_path: Path) -> None:
    with running(tmp_path, "--batch", 4, "--max-queue", 8) as service, httpx.Client(base_url=service.url) as client:
        taken: list[float] = []
        told = Counter[int]()

        def ask(i: int) -> None:
            x, y = i % 600, i % 400
            image = picture(x, y, 640, 480)
            while True:
                began = time.monotonic()
                response = client.post("/v1/predict", content=image, timeout=120)
                told[response.status_code] += 1
                if response.status_code == 200:
                    break
                assert response.status_code == 429
                time.sleep(0.05)
            taken.append(time.monotonic() - began)
            assert found(response) == (np.array([x, y]) + OFFSETS).tolist()

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(ask, range(120)))
            warm = service.memory_mb("VmRSS")
            list(pool.map(ask, range(120, 300)))
        assert told[200] == 300
        assert service.memory_mb("VmRSS") < warm + 20  # an image that is not let go of is 0.3 MB, 180 of them 55
        assert statistics.quantiles(taken, n=100)[98] < 60  # nobody is forgotten in the queue


@pytest.mark.slow
def test_told_to_stop_in_the_middle_of_it_the_service_answers_all_it_has_accepted(tmp_path: Path) -> None:
    with running(tmp_path, "--wait-s", 0.05, "--max-queue", 64) as service:
        told = Counter[object]()
        lock = threading.Lock()
        over = threading.Event()

        def ask(thread: int) -> None:
            with httpx.Client(base_url=service.url, timeout=120) as client:
                for i in range(1000):
                    try:
                        response = client.post("/v1/predict", content=picture(thread, i % 48))
                        assert found(response)[0] == [thread, i % 48]
                        outcome: object = response.status_code
                    except (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
                        outcome = type(error).__name__
                    with lock:
                        told[outcome] += 1
                    if outcome != 200:
                        return
                    if over.is_set():
                        time.sleep(0.01)

        with ThreadPoolExecutor(10) as pool:
            threads = [pool.submit(ask, i) for i in range(10)]
            while told[200] < 30:
                assert not any(thread.done() and thread.exception() for thread in threads)
                time.sleep(0.01)
            service.process.send_signal(signal.SIGTERM)
            over.set()
            assert service.process.wait(120) == 0
            for thread in threads:
                thread.result()
        events = service.log()
        answered = [e for e in events if e["event"] == "request"]
        stopping = next(i for i, e in enumerate(events) if e["event"] == "stopping")
        assert [e["status"] for e in answered] == [200] * len(answered)
        # Whatever was accepted was answered, and every answer arrived; who else asked was not let in at all.
        assert told[200] == len(answered)
        assert len([e for e in events[stopping:] if e["event"] == "request"]) >= 5  # it was in the middle of it
        assert events[-1]["event"] == "stopped"


@pytest.mark.slow
def test_a_fuzzer_finds_no_answer_that_the_schema_does_not_promise(tmp_path: Path) -> None:
    import hypothesis
    import schemathesis
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import CHECKS, load_all_checks
    from schemathesis.generation import GenerationMode

    load_all_checks()
    # Bytes that a schema calls an image need not be one.
    left_out = [CHECKS.get_one("positive_data_acceptance")]
    answered: dict[str, set[int]] = {}
    everyday = hypothesis.settings(
        max_examples=20,
        deadline=None,
        database=None,
        suppress_health_check=cast("list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck)),
    )
    with running(tmp_path) as service:
        schema = cast("Any", schemathesis.openapi.from_url(f"{service.url}/openapi.json"))
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in GenerationMode:

                @everyday
                @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
                def fuzz(case: Any) -> None:
                    response = case.call_and_validate(excluded_checks=left_out)
                    answered.setdefault(case.operation.label, set()).add(response.status_code)

                with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with no parameters
                    fuzz()
    assert set(answered) == {
        "POST /v1/predict", "POST /v1/predict/batch", "GET /v1/models", "GET /healthz", "GET /readyz", "GET /metrics",
    }  # fmt: skip
    assert 422 in answered["POST /v1/predict"]
