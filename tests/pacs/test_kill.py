"""The whole listener as a program of its own, killed in every state of an image, with a real archive behind it."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
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
KILLS = int(os.environ.get("RADMARK_KILLS", "4"))
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

    def until(self, true: Callable[[], bool], every_s: float = 0.05) -> None:
        latest = time.monotonic() + 250
        while not true():
            assert self.program.poll() is None, self.log.read_text(encoding="utf-8")
            assert time.monotonic() < latest, self.log.read_text(encoding="utf-8")
            time.sleep(every_s)

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
    n = 2 * KILLS
    images = [film(tmp_path / f"{i}.dcm", np.full((60, 50), i, np.uint16)) for i in range(n)]
    listener = Listener(tmp_path / "spool", orthanc, free_port())
    struck, stored = Counter[str](), threading.Event()

    def modality() -> None:  # sends again until there is an answer
        for image in images:
            while not stored.is_set():
                with contextlib.suppress(InputError):
                    send(listener.here, [image])
                    break
                time.sleep(0.05)
        stored.set()

    sending = threading.Thread(target=modality)
    sending.start()
    try:
        for k in range(KILLS):
            # An image waits, is looked at, is sent, is done: then a kill, at once or a little later.
            listener.until(listener.answers)
            moment, before = ("incoming", "work", "outgoing", "done")[k % 4], listener.count("done")
            listener.until(
                lambda moment=moment, before=before: (
                    listener.count(moment) > (before if moment == "done" else 0) or listener.count("done") == n
                ),
                every_s=0.0005,
            )
            time.sleep(chance.choice((0, chance.uniform(0, 0.03), chance.uniform(0, 0.5))))
            listener.killed_and_started_again()
            struck.update({path.parent.name for path in (tmp_path / "spool").glob("*/*")})
        listener.until(lambda: stored.is_set() and listener.count("done") == n)
        listener.program.terminate()
        assert listener.program.wait(60) == 0
    finally:
        stored.set()
        sending.join()
        listener.program.kill()
        listener.program.wait()
    record_testsuite_property("states_of_images_at_a_kill", dict(struck))
    for image in images:
        ds = pydicom.dcmread(image)
        there = orthanc.get(f"/dicom-web/studies/{ds.StudyInstanceUID}/instances?includefield=00080016")
        reports = [i["00080018"]["Value"][0] for i in there if i["00080016"]["Value"] == [SR]]
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
