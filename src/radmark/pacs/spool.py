"""The queue of images that arrived, as folders on disk, so that the end of the program at any moment loses and repeats nothing.

An item is a folder with an image in it; the folder above it is its state, and a rename moves it on:

    tmp -> incoming -> work -> outgoing -> done | failed

Its name is a hash of the image's SOP Instance UID, which is how an image that arrives again is known. Everything is on the
disk (fsync of file and folder) before the rename, and the rename is before anything is said about it.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from radmark.core.errors import InputError

State = Literal["incoming", "work", "outgoing", "done", "failed"]
STATES: tuple[State, ...] = ("incoming", "work", "outgoing", "done", "failed")

_FORMAT = 1
_TEMPORARY = ".radmark-"


@dataclass(frozen=True)
class Item:
    """An image of the queue, where it is now."""

    folder: Path

    @property
    def name(self) -> str:
        """What a log line may call it."""
        return self.folder.name[:12]

    @property
    def image(self) -> Path:
        """As it arrived."""
        return self.folder / "image.dcm"

    @property
    def report(self) -> Path:
        """What the model says."""
        return self.folder / "report.dcm"

    @property
    def record(self) -> Path:
        """What the audit log will say."""
        return self.folder / "record.json"

    @property
    def reason(self) -> Path:
        """Why it failed."""
        return self.folder / "reason.json"


class Spool:
    """Open it with `opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._moving = threading.Lock()

    def receive(self, uid: str, data: bytes) -> bool:
        """Keep an image that arrived; when this returns it is on the disk.

        Args:
            uid: its SOP Instance UID.
            data: the DICOM file.

        Returns:
            False where it had arrived before.

        Raises:
            OSError: it could not be kept.
        """
        key = hashlib.sha256(uid.encode()).hexdigest()[:32]
        with self._moving:
            if self._known(key):
                return False
        item = Item(Path(tempfile.mkdtemp(dir=self.folder / "tmp")))
        try:
            write_durably(item.image, data)
            with self._moving:
                if self._known(key):
                    return False
                os.rename(item.folder, self.folder / "incoming" / key)  # noqa: PTH104 - never over what is there
                sync(self.folder / "incoming")
        finally:
            shutil.rmtree(item.folder, ignore_errors=True)
        return True

    def items(self, state: State) -> list[Item]:
        """In the order they arrived."""
        found: list[tuple[int, str, Item]] = []
        for folder in (self.folder / state).iterdir():
            item = Item(folder)
            try:
                found.append((item.image.stat().st_mtime_ns, item.name, item))
            except (FileNotFoundError, NotADirectoryError):  # moved on meanwhile, or somebody's own file
                continue
        return [item for *_, item in sorted(found, key=lambda entry: entry[:2])]

    def first(self, state: State) -> Item | None:
        """The one that arrived first."""
        return next(iter(self.items(state)), None)

    def move(self, item: Item, state: State) -> Item:
        """Rename an item into another state, seen through to the disk."""
        moved = Item(self.folder / state / item.folder.name)
        sync(item.folder)
        with self._moving:
            if moved.folder.exists():  # put back by hand, and come to the same end
                shutil.rmtree(moved.folder)
            os.rename(item.folder, moved.folder)  # noqa: PTH104
        sync(moved.folder.parent)
        sync(item.folder.parent)
        return moved

    def fail(self, item: Item, reason: Mapping[str, str]) -> None:
        """Put an item aside, and say why in a file beside the image."""
        write_durably(item.reason, json.dumps(reason, ensure_ascii=False, indent=1).encode())
        self.move(item, "failed")

    def done(self, item: Item, *, keep_report: bool) -> None:
        """An item has come to its end; of it only the record is kept."""
        self._strip(self.move(item, "done"), keep_report)

    def tidy(self, *, keep_report: bool) -> None:
        """Do what an end in the middle of `done` left undone."""
        for image in (self.folder / "done").glob("*/image.dcm"):
            self._strip(Item(image.parent), keep_report)

    def _strip(self, item: Item, keep_report: bool) -> None:
        if not keep_report:
            item.report.unlink(missing_ok=True)
        item.image.unlink(missing_ok=True)  # the last: while it is there, there is something left to do

    def _known(self, key: str) -> bool:
        return any((self.folder / state / key).exists() for state in STATES)


@contextmanager
def opened(folder: Path, model_sha256: str) -> Generator[Spool]:
    """A spool, for this program alone, and cleaned of what an end in the middle left half-made.

    Args:
        folder: made where there is none; nobody but its owner may look into it.
        model_sha256: of the model that works on it. A spool is for one model: its record of what is done would be wrong for
            another.

    Raises:
        InputError: another program works on it, it is another model's, or it is a folder of something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder / "spool.json"
        ours = ("lock", _TEMPORARY)
        if not about.exists() and not all(path.name.startswith(ours) for path in folder.iterdir()):
            raise InputError(
                "the folder holds something that is not a spool", file=folder, remedy="Give another --spool"
            )
        folder.chmod(0o700)
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            "another radmark listens on this spool", file=folder, remedy="Stop that one, or give another --spool"
        ) from None
    except OSError as error:
        raise InputError(
            f"the spool cannot be used: {error.strerror}", file=folder, remedy="Give a folder you may write to"
        ) from error
    try:
        if not about.exists():
            write_durably(about, json.dumps({"format": _FORMAT, "model_sha256": model_sha256}).encode())
        _check(about, model_sha256)
        for name in ("tmp", *STATES):
            (folder / name).mkdir(exist_ok=True, mode=0o700)
        sync(folder)
        for left in (folder / "tmp").iterdir():
            shutil.rmtree(left)
        for left in folder.glob(f"**/{_TEMPORARY}*"):
            left.unlink()
        yield Spool(folder)
    finally:
        lock.release()


def _check(about: Path, model_sha256: str) -> None:
    try:
        said: Any = json.loads(about.read_text(encoding="utf-8"))
        model = said["model_sha256"] if said["format"] == _FORMAT else None
    except (ValueError, KeyError, TypeError):
        model = None
    if model is None:
        raise InputError("not a spool that this version of radmark reads", file=about, remedy="Give another --spool")
    if model != model_sha256:
        raise InputError(
            "this spool belongs to another model",
            file=about,
            value=f"{model[:12]}, not {model_sha256[:12]}",
            remedy="Let that model finish what is in it, and give the new one a spool of its own",
        )


def write_durably(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and see it and its name on the disk.

    Raises:
        OSError: that could not be done.
    """
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """See a file's content, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
