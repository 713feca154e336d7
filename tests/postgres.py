"""A real PostgreSQL on loopback, with data of its own that go with it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


@dataclass
class Postgres:
    """Where it listens. `kill` and `start` are for those who want to see it die."""

    program: Path
    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def url(self) -> str:
        """SQLAlchemy's address of an empty database; what was in it goes."""
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", autocommit=True) as c:
            c.execute("DROP SCHEMA public CASCADE")
            c.execute("CREATE SCHEMA public")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        with (self.data.parent / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                as_postgres(self.program / "postgres", "-D", self.data, "-p", self.port, "-k", "", "-h", "127.0.0.1"),
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            assert self.process.poll() is None, (self.data.parent / "log.txt").read_text(errors="replace")[-2000:]
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres").close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise AssertionError("PostgreSQL does not answer")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown. SIGQUIT: at once, without writing anything more, as when the power fails."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None


def as_postgres(*words: object) -> list[str]:
    """PostgreSQL refuses to run as root."""
    plain = [str(word) for word in words]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *plain] if os.getuid() == 0 else plain


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return None if initdb is None else Path(initdb).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed; .ci/run installs it")
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # Not below pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="radmark-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        made = subprocess.run(
            as_postgres(
                programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-N", "-E", "UTF8", "--locale=C"
            ),
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        server = Postgres(programs, data, port)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody needs it again
