"""Films, events, servers and browsers for what tests the annotation server."""

import re
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from radmark.web.app import Annotator
from radmark.web.project import Project

BASE = "http://127.0.0.1:8000"
NAMES = ("hip_right", "hip_left", "sacrum")


def film(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    """A 16-bit PNG of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 65536, (height, width), np.uint16)
    Image.fromarray(pixels).save(path)
    return path


@dataclass
class Serving:
    """A server without a network, and a browser's session for each reader."""

    project: Project
    annotator: Annotator
    clients: dict[str, TestClient] = field(default_factory=dict)

    def __getitem__(self, reader: str) -> TestClient:
        return self.clients[reader]


def event(landmark: str = "sacrum", x: float | None = 3.25, y: float | None = 4.5, **more: Any) -> dict[str, Any]:
    """A body for /events: a first placing unless more is said."""
    return {
        "event_id": str(uuid.uuid4()),
        "base_version": 0,
        "landmark": landmark,
        "x": x,
        "y": y,
        "state": "present",
        "how": "placed",
    } | more


@dataclass
class Server:
    """`radmark annotate` as a process."""

    words: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> dict[str, str]:
        """Start it and wait until it answers; the link of each reader."""
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "radmark.cli", "annotate", "--no-browser", *self.words]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        said = ""
        for _ in range(1800):  # a busy machine takes its time
            said = self.log.read_text(errors="replace")
            assert self.process.poll() is None, said
            if "Ctrl-C stops the server" in said:
                links = dict(re.findall(r"^  (.+): (http://\S+)$", said, re.MULTILINE))
                base = next(iter(links.values())).split("/?")[0]
                try:
                    httpx.get(base + "/api/project")
                    return links
                except httpx.TransportError:
                    pass
            time.sleep(0.1)
        raise AssertionError(said)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


def session(link: str, cookies: httpx.Cookies | None = None) -> httpx.Client:
    """A browser, more or less, that opened the link."""
    base = link.split("/?")[0]
    client = httpx.Client(base_url=base, headers={"origin": base}, timeout=30, cookies=cookies)
    if cookies is None:
        assert client.get(link).status_code == 200
    return client
