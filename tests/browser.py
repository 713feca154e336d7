"""A real browser before a real server: Debian's Chromium, driven by Playwright, and `radmark annotate` as its own process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def need_chromium() -> None:
    """Skip where there is no Chromium; in CI it has to be there."""
    if Path(CHROMIUM).exists():
        return
    if os.environ.get("CI"):
        pytest.fail("Chromium is not installed; .ci/run installs it")
    pytest.skip("Chromium is not installed (Debian: chromium)")


@contextmanager
def chromium() -> Iterator[Any]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    need_chromium()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Server:
    """`radmark annotate` on loopback; it can be killed, and started again on the same port."""

    arguments: list[str]
    port: int = 0
    links: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    database: Path | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Server":
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "radmark.cli",
                "annotate",
                *self.arguments,
                "--no-browser",
                "--port",
                str(self.port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "500"},
        )
        said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"^\s+(.+): (http://127\.0\.0\.1:(\d+)/\S+)", line):
                self.links[found[1]] = found[2]
                self.port = int(found[3])
            if "Ctrl-C stops" in line:
                return self
        raise AssertionError("the server did not start:\n" + "".join(said))

    def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self._gone()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
        self._gone()

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    """A running server."""
    server = Server([str(a) for a in arguments])
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.stop()


@dataclass
class Watched:
    """A page, and everything that went wrong or left the origin while it was used."""

    page: Any
    origin: str
    reader: str = ""
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    server_away: bool = False

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(f"{error}"))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        # Chromium itself reports every request that fails: expected of a 409 and while the server is away.
        failed = "Failed to load resource" in message.text
        if failed and message.location.get("url", "").endswith("/favicon.ico"):
            return  # Chromium asks for it by itself, though the page names another
        if message.type in ("error", "warning") and not (failed and (self.server_away or "409" in message.text)):
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def saved(self, timeout_ms: int = 8000) -> None:
        """Wait until the page says that everything is stored."""
        self.page.wait_for_selector("#saved[data-state=saved]", timeout=timeout_ms)

    def opened(self, name: str | None = None) -> None:
        """Wait until a film is on the stage."""
        self.page.wait_for_function(
            "name => document.querySelector('#loading')?.textContent === ''"
            " && document.querySelector('#prompt-name').textContent !== '–'"
            " && (name === null || document.querySelector('#film-name').textContent.startsWith(name))",
            arg=name,
        )

    def clean(self) -> None:
        """No error in the console, and no request to anybody else."""
        assert self.errors == []
        assert self.elsewhere == []


def until(test: Any, seconds: float = 8.0) -> None:
    """Wait for something that no event announces."""
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
