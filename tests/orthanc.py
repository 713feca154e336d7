"""A real Orthanc on loopback, with a store of its own that goes with it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from radmark.pacs.client import Archive


@dataclass(frozen=True)
class Orthanc:
    """Where it listens."""

    dicom: Archive
    http: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.http}{path}", timeout=10) as answer:
            return json.loads(answer.read())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running(tmp_path_factory.mktemp("orthanc")) as found:
        yield found


@contextlib.contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Orthanc]:
    """One of its own in a folder, with `settings` over the usual ones."""
    program = shutil.which("Orthanc")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Orthanc is not installed; .ci/run installs it")
        pytest.skip("Orthanc is not installed (Debian: orthanc orthanc-dicomweb)")
    http, dicom = free_port(), free_port()
    (folder / "config.json").write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "store"),
                "IndexDirectory": str(folder / "store"),
                "HttpPort": http,
                "DicomPort": dicom,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAet": "ORTHANC",
                "DicomCheckCalledAet": True,
                "Plugins": [str(p) for p in Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so")],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                **settings,
            }
        ),
        encoding="utf-8",
    )
    log = (folder / "log.txt").open("wb")
    process = subprocess.Popen([program, str(folder / "config.json")], stdout=log, stderr=log)
    found = Orthanc(Archive(port=dicom), f"http://127.0.0.1:{http}")
    try:
        for _ in range(100):
            try:
                found.get("/system")
                break
            except OSError:
                assert process.poll() is None, (folder / "log.txt").read_text(errors="replace")[-2000:]
                time.sleep(0.2)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()
