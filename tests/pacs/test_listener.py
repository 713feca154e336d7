"""The listener at its door: who is let in, what it answers, what it says, and that it goes on answering."""

import contextlib
import resource
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, generate_uid
from pynetdicom import AE

from certificates import Authority
from dicom_files import DX, film
from programs import run
from radmark.core import InputError
from radmark.pacs import listener
from radmark.pacs.client import Archive, ArchiveAwayError, echo, send
from radmark.pacs.listener import Door, listen
from radmark.pacs.spool import Item, Spool, opened
from radmark.privacy.audit import AuditLog, Processed

MODEL = "ab" * 32
PIXELS = np.zeros((40, 30), np.uint16)


@dataclass
class Model:
    """Stands for the model's program: its report is the image; `slow` is waited for."""

    sha256: str = MODEL
    slow: threading.Event | None = None
    seen: list[str] = field(default_factory=list)

    def report(self, item: Item, frame: int | None) -> Processed:
        ds = pydicom.dcmread(item.image)
        self.seen.append(str(ds.SOPInstanceUID))
        if self.slow is not None:
            assert self.slow.wait(30)
        if ds.get("ViewPosition") == "LL":
            raise InputError("no hip is on it", remedy="Send hips")
        item.report.write_bytes(item.image.read_bytes())
        return Processed(self.sha256, "cd" * 32, str(ds.SOPInstanceUID), None, 0, (), f"{ds.SOPInstanceUID}.1")


@dataclass
class Running:
    """A listener in a thread."""

    port: int
    spool: Spool
    model: Model
    said: list[str]
    delivered: list[str]
    stop: threading.Event
    thread: threading.Thread
    problems: list[BaseException]

    def here(self, **other: Any) -> Archive:
        return Archive(**{"port": self.port, "called": "RADMARK", "calling": "MODALITY", **other})

    def count(self, state: str) -> int:
        return len(list((self.spool.folder / state).iterdir()))

    def until(self, true: Callable[[], bool]) -> None:
        latest = time.monotonic() + 30
        while not true():
            assert time.monotonic() < latest, self.said
            assert not self.problems, self.problems
            time.sleep(0.01)

    def ended(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(
    folder: Path, model: Model | None = None, deliver: Callable[[Path], None] | None = None, **door: Any
) -> Iterator[Running]:
    said: list[str] = []
    delivered: list[str] = []
    problems: list[BaseException] = []
    model, stop = model or Model(), threading.Event()

    def kept(report: Path) -> None:
        if deliver is not None:
            deliver(report)
        delivered.append(str(pydicom.dcmread(report).SOPInstanceUID))

    with opened(folder / "spool", model.sha256) as spool:
        audit = AuditLog(folder / "audit.jsonl")

        def run() -> None:
            try:
                listen(Door(0, **door), spool, model, audit, deliver=kept, stop=stop, say=said.append)  # pyright: ignore[reportArgumentType]
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            latest = time.monotonic() + 30
            while not said:
                assert not problems, problems
                assert time.monotonic() < latest
                time.sleep(0.01)
            yield Running(int(said[0].split()[-1]), spool, model, said, delivered, stop, thread, problems)
        finally:
            stop.set()
            thread.join(60)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return film(tmp_path / "film.dcm", PIXELS)


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path).SOPInstanceUID)


def test_an_image_is_taken_looked_at_and_its_report_delivered_once_though_it_arrives_twice(
    tmp_path: Path, image: Path
) -> None:
    with running(tmp_path) as here:
        echo(here.here())
        send(here.here(), [image, image])
        here.until(lambda: here.count("done") == 1)
        send(here.here(), [image])
        other = film(tmp_path / "other.dcm", PIXELS)
        send(here.here(), [other])
        here.until(lambda: here.count("done") == 2)
        assert here.model.seen == here.delivered == [uid_of(image), uid_of(other)]
    assert len((tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_an_image_whose_receipt_was_thrown_away_is_looked_at_again_and_has_a_line_again(
    tmp_path: Path, image: Path
) -> None:
    for n in (1, 2):
        with running(tmp_path) as here:
            send(here.here(), [image])
            here.until(lambda: here.count("done") == 1)
            assert len((tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == n
            shutil.rmtree(next((here.spool.folder / "done").iterdir()))


def test_another_program_stores_in_it_as_modalities_do(tmp_path: Path, image: Path) -> None:
    with running(tmp_path, accept=("MODALITY",)) as here:
        place = ("-aet", "MODALITY", "-aec", "RADMARK", "127.0.0.1", str(here.port))
        assert "Received Echo Response (Success)" in run("echoscu", "-v", *place)
        assert "Received Store Response (Success)" in run("storescu", "-v", *place, str(image))
        here.until(lambda: here.count("done") == 1)
        assert here.delivered == [uid_of(image)]


def test_what_is_kept_is_byte_for_byte_the_data_set_that_was_sent(tmp_path: Path, image: Path) -> None:
    slow = threading.Event()
    with running(tmp_path, Model(slow=slow)) as here:
        send(here.here(), [image])
        (kept,) = here.spool.folder.glob("*/*/image.dcm")
        assert pydicom.dcmread(kept) == pydicom.dcmread(image)
        assert kept.read_bytes()[-PIXELS.nbytes :] == PIXELS.tobytes()
        slow.set()


def test_the_network_is_answered_while_the_model_looks(tmp_path: Path, image: Path) -> None:
    slow = threading.Event()
    with running(tmp_path, Model(slow=slow)) as here:
        send(here.here(), [image])
        here.until(lambda: len(here.model.seen) == 1)
        others = [film(tmp_path / f"{i}.dcm", PIXELS) for i in range(3)]
        echo(here.here())
        send(here.here(), others)
        assert here.count("incoming") == 3
        assert here.delivered == []
        slow.set()
        here.until(lambda: here.count("done") == 4)


def test_only_callers_on_the_list_are_let_in_and_only_by_our_own_name(tmp_path: Path) -> None:
    with running(tmp_path, accept=("MODALITY", "OTHER")) as here:
        echo(here.here())
        with pytest.raises(InputError, match="refused us"):
            echo(here.here(calling="STRANGER"))
        with pytest.raises(InputError, match="refused us"):
            echo(here.here(called="SOMEBODY"))


def test_a_title_that_is_none_is_refused() -> None:
    for title in ("", "  ", "A_TITLE_TOO_LONG_BY_FAR", "BACK\\SLASH"):
        with pytest.raises(InputError, match="not a valid AE title"):
            Door(0, ae_title=title)
        with pytest.raises(InputError, match="not a valid AE title"):
            Archive(called=title)


def test_reports_are_not_taken_for_images(tmp_path: Path, image: Path) -> None:
    ds = pydicom.dcmread(image)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.88.33")
    ds.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    with running(tmp_path) as here, pytest.raises(InputError, match="does not take"):
        send(here.here(), [tmp_path / "sr.dcm"])


def test_an_image_under_another_ones_uid_is_refused(tmp_path: Path, image: Path) -> None:
    with running(tmp_path) as here:
        entity: Any = AE("MODALITY")
        entity.add_requested_context(DX, "1.2.840.10008.1.2.1")
        association = entity.associate("127.0.0.1", here.port, ae_title="RADMARK")
        ds = pydicom.dcmread(image)
        asked = association.dimse.send_msg

        def under_another(primitive: Any, context: int) -> None:
            primitive.AffectedSOPInstanceUID = generate_uid()
            asked(primitive, context)

        association.dimse.send_msg = under_another
        assert association.send_c_store(ds).Status == 0xA900
        association.release()
        assert here.count("incoming") == here.count("done") == 0


def test_a_full_disk_refuses_the_image_and_the_listener_goes_on(tmp_path: Path, image: Path) -> None:
    large = film(tmp_path / "large.dcm", np.zeros((400, 300), np.uint16))
    with running(tmp_path) as here:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the system itself now refuses to write more
        try:
            with pytest.raises(ArchiveAwayError, match="0xa700"):
                send(here.here(), [large])
            assert list((here.spool.folder / "tmp").iterdir()) == []  # nothing half-kept
            send(here.here(), [image])
            here.until(lambda: here.count("done") == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        send(here.here(), [large])  # what was refused is new when it comes again
        here.until(lambda: here.count("done") == 2)


def test_a_folder_that_cannot_be_written_refuses_the_image(tmp_path: Path, image: Path) -> None:
    with running(tmp_path) as here:
        (here.spool.folder / "tmp").rmdir()
        with pytest.raises(ArchiveAwayError, match="0xa700"):
            send(here.here(), [image])


def test_reports_wait_for_an_archive_that_is_away_while_images_are_looked_at(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "BACK_OFF_S", (0.05, 0.4))
    tries: list[float] = []

    def away(report: Path) -> None:  # noqa: ARG001
        tries.append(time.monotonic())
        if len(tries) < 7:
            raise ArchiveAwayError("the archive does not answer", remedy="Wait")

    images = [image, film(tmp_path / "other.dcm", PIXELS)]
    with running(tmp_path, deliver=away) as here:
        send(here.here(), images)
        here.until(lambda: len(here.model.seen) == 2 and here.count("outgoing") == 2)
        here.until(lambda: here.count("done") == 2)
        assert here.delivered == [uid_of(f) for f in images]
    waits = np.diff(tries)[:6]
    for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4, 0.4, 0.4), strict=True):
        assert wait >= least * 0.99
    assert sum("does not answer" in line for line in here.said) == 6


def test_an_image_with_a_fault_of_its_own_is_put_aside_with_the_reason_and_can_be_put_back(
    tmp_path: Path, image: Path
) -> None:
    bad = film(tmp_path / "bad.dcm", PIXELS, ViewPosition="LL")
    with running(tmp_path) as here:
        send(here.here(), [bad, image])
        here.until(lambda: here.count("failed") == 1 and here.count("done") == 1)
        (folder,) = (here.spool.folder / "failed").iterdir()
        assert '"no hip is on it"' in (folder / "reason.json").read_text(encoding="utf-8")
        assert uid_of(folder / "image.dcm") == uid_of(bad)
        folder.rename(here.spool.folder / "incoming" / folder.name)
        here.until(lambda: len(here.model.seen) == 3 and here.count("failed") == 1)
        assert here.model.seen[0] == here.model.seen[2]


def test_a_report_that_the_archive_will_not_have_is_put_aside(tmp_path: Path, image: Path) -> None:
    def refuse(report: Path) -> None:  # noqa: ARG001
        raise InputError("the archive did not store the file", remedy="Ask")

    with running(tmp_path, deliver=refuse) as here:
        send(here.here(), [image])
        here.until(lambda: here.count("failed") == 1)
        (folder,) = (here.spool.folder / "failed").iterdir()
        assert {path.name for path in folder.iterdir()} >= {"image.dcm", "report.dcm", "reason.json"}


def test_a_listener_that_is_told_to_stop_finishes_the_image_in_hand_and_leaves_the_rest_for_the_next(
    tmp_path: Path, image: Path
) -> None:
    slow = threading.Event()
    other = film(tmp_path / "other.dcm", PIXELS)
    with running(tmp_path, Model(slow=slow)) as here:
        send(here.here(), [image, other])
        here.until(lambda: len(here.model.seen) == 1)
        here.stop.set()
        here.until(lambda: any("stopping" in line for line in here.said))
        with pytest.raises(InputError, match="does not answer"):
            echo(here.here())
        slow.set()
        here.thread.join(30)
        assert here.delivered == [uid_of(image)]
        assert (here.count("done"), here.count("incoming")) == (1, 1)
    with running(tmp_path) as again:
        again.until(lambda: again.count("done") == 2)
        assert again.delivered == [uid_of(other)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("tls") / "ours")


def test_with_tls_both_show_who_they_are(tmp_path: Path, image: Path, authority: Authority) -> None:
    us, caller = authority.signed("us"), authority.signed("caller")
    stranger = Authority.made(tmp_path / "other").signed("stranger")
    with running(tmp_path, tls_cert=us.cert, tls_key=us.key, tls_ca=authority.cert) as here:
        known = {"tls_ca": authority.cert, "tls_cert": caller.cert, "tls_key": caller.key}
        with socket.create_connection(("127.0.0.1", here.port)):  # says nothing, and holds nobody up
            began = time.monotonic()
            send(here.here(**known), [image])
            assert time.monotonic() - began < 10
        here.until(lambda: here.count("done") == 1)
        with ssl.create_default_context(cafile=str(authority.cert)).wrap_socket(
            socket.create_connection(("127.0.0.1", here.port)),
            server_hostname="127.0.0.1",
            do_handshake_on_connect=False,
        ) as line:  # without a certificate
            line.settimeout(10)
            with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012 - TLS 1.3 says it at the first byte only
                line.do_handshake()
                assert line.recv(1)
        for other in (
            {},  # no TLS at all
            {"tls_ca": authority.cert},
            known | {"tls_cert": stranger.cert, "tls_key": stranger.key},
            known | {"tls_ca": stranger.cert},
        ):
            with pytest.raises(InputError):
                echo(here.here(**other))
        echo(here.here(**known))


def test_tls_for_listening_takes_a_certificate_that_is_one(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(InputError, match="needs a certificate"):
        listener._tls(Door(0, tls_ca=authority.cert))
    with pytest.raises(InputError, match="cannot be used"):
        listener._tls(Door(0, tls_cert=tmp_path / "none.pem"))
    with pytest.raises(InputError, match="cannot be used"):
        echo(Archive(port=1, tls_ca=tmp_path / "none.pem"))


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    audit, stop = AuditLog(tmp_path / "a.jsonl"), threading.Event()
    with (
        running(tmp_path) as here,
        opened(tmp_path / "second", MODEL) as spool,
        pytest.raises(InputError, match="cannot listen there"),
    ):
        listen(Door(here.port), spool, Model(), audit, deliver=None, stop=stop, say=print)  # pyright: ignore
