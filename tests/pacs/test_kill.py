"""The whole listener as a program of its own, killed again and again, with a real archive behind it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

import seer
from dicom_files import film
from orthanc import Orthanc, free_port
from radmark.core import InputError
from radmark.io.dicom_sr import report_uid
from radmark.pacs.client import Archive, echo, send

pytestmark = pytest.mark.slow
SR = "1.2.840.10008.5.1.4.1.1.88.33"
KILLS = int(os.environ.get("RADMARK_KILLS", "3"))
PROGRAM = f"""
import sys
from radmark import cli
from radmark.pacs import listener
listener.PROGRAM = ({str(Path(seer.__file__))!r},)
sys.exit(cli.main(sys.argv[1:]))
"""


class Listener:
    """`radmark pacs listen` with a model that needs no torch."""

    def __init__(self, spool: Path, orthanc: Orthanc, port: int) -> None:
        self.here = Archive(port=port, called="RADMARK", calling="MODALITY")
        self.spool = spool
        self.words = (
            "pacs", "listen", str(spool.parent / "run"), "--port", str(port), "--spool", str(spool),
            "--to", f"127.0.0.1:{orthanc.dicom.port},ORTHANC",
        )  # fmt: skip
        self.log = spool.parent / "log.txt"
        self.program = self.started()

    def started(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *self.words], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def killed_and_started_again(self) -> None:
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()
        self.program = self.started()

    def until(self, true: Callable[[], bool]) -> None:
        latest = time.monotonic() + 120
        while not true():
            assert self.program.poll() is None, self.log.read_text(encoding="utf-8")
            assert time.monotonic() < latest, self.log.read_text(encoding="utf-8")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            echo(self.here)
        except InputError:
            return False
        return True

    def count(self, state: str) -> int:
        return len(list((self.spool / state).glob("*"))) if self.spool.exists() else 0


def test_every_image_has_one_report_in_the_archive_however_often_the_listener_is_killed(
    orthanc: Orthanc, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(int(os.environ.get("RADMARK_SEED", "0")))
    n = max(6, 2 * KILLS)
    images = [film(tmp_path / f"{i}.dcm", np.full((60, 50), i, np.uint16)) for i in range(n)]
    listener = Listener(tmp_path / "spool", orthanc, free_port())
    try:
        waiting, kills, struck = list(images), 0, Counter[str]()
        listener.until(listener.answers)
        next_kill = time.monotonic() + chance.uniform(0, 0.5)
        while waiting or kills < KILLS or listener.count("done") < n:
            if waiting:  # as a modality does: again, until there is an answer
                try:
                    send(listener.here, waiting[:1])
                    del waiting[0]
                except InputError:
                    pass
            if kills < KILLS and time.monotonic() > next_kill:
                listener.killed_and_started_again()
                kills += 1
                struck.update(
                    path.parent.name for path in (tmp_path / "spool").glob("*/*") if path.parent.name != "done"
                )
                listener.until(listener.answers)
                next_kill = time.monotonic() + chance.uniform(0, 0.5)
            assert listener.program.poll() is None, listener.log.read_text(encoding="utf-8")
            if not waiting:
                time.sleep(0.02)
        listener.program.terminate()
        assert listener.program.wait(60) == 0
    finally:
        listener.program.kill()
        listener.program.wait()
    record_testsuite_property("states_of_images_at_a_kill", dict(struck))
    for image in images:
        ds = pydicom.dcmread(image)
        stored = orthanc.get(f"/dicom-web/studies/{ds.StudyInstanceUID}/instances?includefield=00080016")
        reports = [i["00080018"]["Value"][0] for i in stored if i["00080016"]["Value"] == [SR]]
        assert reports == [report_uid(ds.SOPInstanceUID, seer.SHA256)]
    lines = (tmp_path / "spool" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == n
    assert "planted" not in listener.log.read_text(encoding="utf-8").lower()
    left = [path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    assert sorted(set(left)) == ["audit.jsonl", "audit.jsonl.key", "lock", "record.json", "spool.json"]


def test_a_second_listener_on_the_spool_is_refused_and_a_told_one_ends_with_its_model(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    listener = Listener(tmp_path / "spool", orthanc, free_port())
    try:
        listener.until(listener.answers)
        second = subprocess.run(
            [sys.executable, "-c", PROGRAM, *listener.words], capture_output=True, text=True, check=False, timeout=120
        )
        assert second.returncode == 2
        assert "another radmark listens" in second.stderr
        children = Path(f"/proc/{listener.program.pid}/task/{listener.program.pid}/children").read_text().split()
        assert len(children) == 1
        listener.program.send_signal(signal.SIGKILL)
        listener.program.wait()
        latest = time.monotonic() + 30
        while Path(f"/proc/{children[0]}").exists():  # the model's program does not outlive a kill
            assert time.monotonic() < latest
            time.sleep(0.05)
    finally:
        listener.program.kill()
        listener.program.wait()
