"""The queue on disk: a real SIGKILL before every single step that changes the disk, and the order of those steps."""

import json
import os
import signal
import stat
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.pacs import listener
from radmark.pacs.spool import STATES, Item, Spool, opened, write_durably
from radmark.privacy.audit import AuditLog, Processed

# A newer Python warns of a fork beside other threads; the child uses none of them and leaves without a word.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

MODEL = "ab" * 32
UID, REPORT = "1.2.3", "2.25.9"
STEPS = ("chmod", "fsync", "link", "mkdir", "rename", "replace", "rmdir", "unlink", "write")


class Stamp:
    """Stands for a model: its report of an image is the image, stamped."""

    sha256 = MODEL

    def report(self, item: Item, frame: int | None) -> Processed:
        write_durably(item.report, b"report of " + item.image.read_bytes())
        return Processed(MODEL, "cd" * 32, UID, None, 0, (), REPORT)


def work_off(spool: Spool, audit: AuditLog, deliver: Callable[[Path], None]) -> None:
    """What the listener's two threads do, one after the other, until nothing is left to do."""
    never, finished = threading.Event(), threading.Event()
    finished.set()
    listener._look(spool, Stamp(), None, UntilEmpty(spool), never, never, lambda _: None)  # pyright: ignore
    listener._post(spool, audit, deliver, never, never, finished, lambda _: None)


class UntilEmpty:
    """An event that is set when nothing waits for the model."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    def is_set(self) -> bool:
        return not (self.spool.first("work") or self.spool.first("incoming"))


def whole_life(folder: Path) -> None:
    """An image arrives, is answered for, looked at and reported; then it arrives again. The archive is a folder of objects."""

    def deliver(report: Path) -> None:
        with (folder / "deliveries").open("a", encoding="utf-8") as log:
            log.write("x")
        write_durably(folder / "archive" / REPORT, report.read_bytes())

    with opened(folder / "spool", MODEL) as spool:
        audit = AuditLog(folder / "audit.jsonl")
        if not (folder / "answered").exists():  # a sender sends until it has an answer
            spool.receive(UID, b"image")
            write_durably(folder / "answered", b"")
        work_off(spool, audit, deliver)
        assert not spool.receive(UID, b"image"), "it was taken for a new one"
        work_off(spool, audit, deliver)


def lives(work: Callable[[], None], until: int | None = None) -> bool:
    """Run `work` in a process of its own that kills itself before its step on the disk number `until`; whether it lived."""
    child = os.fork()
    if child == 0:
        done = 0
        for name in STEPS:
            plain = getattr(os, name)

            def step(*args: object, plain: Callable[..., object] = plain, **options: object) -> object:
                nonlocal done
                done += 1
                if done == until:
                    os.kill(os.getpid(), signal.SIGKILL)
                return plain(*args, **options)

            setattr(os, name, step)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def once_and_whole(folder: Path) -> None:
    """Assert that the image of a life has one report, one line in the audit log, and left nothing else behind."""
    assert [f.name for f in (folder / "archive").iterdir()] == [REPORT]
    assert (folder / "archive" / REPORT).read_bytes() == b"report of image"
    assert len((folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    assert [path.parent.name for path in (folder / "spool").glob("*/*")] == ["done"]
    (done,) = (folder / "spool" / "done").iterdir()
    assert [path.name for path in done.iterdir()] == ["record.json"]  # the image itself is not kept


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory: a kill takes a program, not the disk, and fsync may be slow."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_kill_before_any_step_on_the_disk_loses_nothing_and_repeats_nothing(quick: Path) -> None:
    n, lived = 0, False
    while not lived:
        n += 1
        folder = quick / str(n)
        (folder / "archive").mkdir(parents=True)
        lived = lives(lambda folder=folder: whole_life(folder), until=n)
        assert lives(lambda folder=folder: whole_life(folder))
        once_and_whole(folder)
        assert (folder / "deliveries").read_text(encoding="utf-8") in ("x", "xx")
    assert n > 50  # the steps were seen


def test_two_kills_in_turn_are_survived_too(quick: Path) -> None:
    for n in range(1, 60, 4):
        folder = quick / str(n)
        (folder / "archive").mkdir(parents=True)
        for until in (n, 5 + n // 2, None):
            lives(lambda folder=folder: whole_life(folder), until)
        once_and_whole(folder)


def test_file_and_folders_are_on_the_disk_before_an_image_counts_as_received(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def name(path: Path) -> str:
        first, *rest = path.relative_to(tmp_path / "spool").parts
        return f"{first}/*" + ("/image" if len(rest) > 1 else "") if rest else first

    def synced(handle: int) -> None:
        steps.append("sync " + name(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    def renamed(a: Path, b: Path) -> None:
        steps.append(f"{name(a)} -> {name(b)}")
        rename(a, b)

    with opened(tmp_path / "spool", MODEL) as spool:
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "rename", renamed)
        assert spool.receive(UID, b"image")
    assert steps == ["sync tmp/*/image", "sync tmp/*", "tmp/* -> incoming/*", "sync incoming"]


@pytest.mark.parametrize("state", STATES)
def test_an_image_that_arrives_again_is_known_in_every_state(tmp_path: Path, state: str) -> None:
    with opened(tmp_path / "spool", MODEL) as spool:
        assert spool.receive(UID, b"image")
        item = spool.first("incoming")
        assert item is not None
        if state != "incoming":
            spool.move(item, state)  # pyright: ignore[reportArgumentType]
        assert not spool.receive(UID, b"image")
        assert spool.receive("1.2.4", b"image")


def test_a_spool_is_private_and_its_names_tell_nothing_of_the_image(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", MODEL) as spool:
        spool.receive("1.2.3.19700101.PLANTED", b"image")
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*") if p.is_dir()} == {0o700}
    assert not any("PLANTED" in str(path) or "19700101" in str(path) for path in tmp_path.rglob("*"))


def test_two_programs_do_not_work_on_one_spool(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", MODEL), pytest.raises(InputError, match="another radmark"), opened(
        tmp_path / "spool", MODEL
    ):  # fmt: skip
        pass
    with opened(tmp_path / "spool", MODEL):  # the lock went with its owner
        pass


def test_another_model_and_a_folder_of_other_things_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", MODEL):
        pass
    with pytest.raises(InputError, match="belongs to another model"), opened(tmp_path / "spool", "cd" * 32):
        pass
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    with pytest.raises(InputError, match="not a spool"), opened(tmp_path / "photos", MODEL):
        pass
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]


def test_items_come_out_in_the_order_they_arrived_and_one_that_failed_says_why(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", MODEL) as spool:
        for i in range(5):
            spool.receive(f"1.2.{i}", f"image {i}".encode())
            last = spool.folder / "incoming"
            for folder in last.iterdir():  # a coarse clock would give several one time
                image = Item(folder).image
                if image.read_bytes() == f"image {i}".encode():
                    os.utime(image, (i, i))
        seen: list[bytes] = []
        while (item := spool.first("incoming")) is not None:
            seen.append(item.image.read_bytes())
            spool.fail(item, {"reason": "no hip"})
        assert seen == [f"image {i}".encode() for i in range(5)]
        reasons = [json.loads(f.read_text(encoding="utf-8")) for f in spool.folder.glob("failed/*/reason.json")]
        assert reasons == [{"reason": "no hip"}] * 5
