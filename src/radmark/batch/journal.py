"""What a job has done so far: a file of JSON lines beside the result, so that a job that was killed resumes where it was.

The first line says which job it is, each other line is one image. A line counts once its line end is there: what a kill cut off
is cut away at the next start, and that image is done again. A later line of an image stands for an earlier one.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from radmark.core.errors import InputError

try:
    import fcntl
except ModuleNotFoundError:  # Windows: two jobs on one result are not noticed there
    fcntl = None

SYNC_EVERY_S = 1.0
"""How much work a power failure may cost. A killed process costs none: the system has what it wrote."""

Row = Mapping[str, Any]


class Journal:
    """The journal of one job, held by one process at a time. Use it in a `with` block, or `close` it.

    Args:
        path: of the journal; made where it is not.
        job: what must be the same for a job to go on: the model, the settings. JSON.
        anew: begin again where the journal is another job's, instead of refusing.

    Raises:
        InputError: another process is at work on it, or it is of another job.
    """

    def __init__(self, path: Path, job: Mapping[str, Any], *, anew: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("a+b")
        self._offsets: dict[str, tuple[int, Any]] = {}
        self._synced_at = time.monotonic()
        try:
            self._lock()
            self._begin(json.loads(json.dumps(job)), anew)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system frees it when the process dies
        except BlockingIOError as error:
            raise InputError(
                "another process is at work on this very result",
                file=self.path,
                remedy="Wait for it, or give another --out",
            ) from error

    def _begin(self, job: Any, anew: bool) -> None:
        self._file.seek(0)
        good = 0
        for line in self._file:
            entry = _parsed(line)
            if entry is None:
                break
            if good == 0:
                if entry.get("job") != job:
                    if not anew:
                        raise InputError(
                            "an unfinished job of another model or with other settings is here",
                            file=self.path,
                            remedy="Repeat its command to finish it, give another --out, or --overwrite to begin anew",
                        )
                    break
            else:
                self._offsets[entry["image_name"]] = (good, entry["stamp"])
            good += len(line)
        self._file.truncate(good)
        self._file.seek(0, os.SEEK_END)
        if good == 0:
            self._write([{"job": job}])

    def done(self, name: str, stamp: Any) -> bool:
        """Whether an image is done, and its file is still as it was (`stamp`, JSON)."""
        known = self._offsets.get(name)
        return known is not None and known[1] == stamp

    def append(self, row: Row) -> None:
        """Note an image as done; `row` has `image_name` and `stamp`."""
        at = self._file.seek(0, os.SEEK_END)
        self._write([row])
        self._offsets[row["image_name"]] = (at, row["stamp"])

    def rows(self, names: Sequence[str]) -> Iterator[Row]:
        """The rows of these images, in this order, read one at a time."""
        for name in names:
            self._file.seek(self._offsets[name][0])
            yield json.loads(self._file.readline())

    def remove(self) -> None:
        """The job is finished and its result written."""
        self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the journal; it stays for the next process."""
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        self._file.flush()
        if time.monotonic() - self._synced_at > SYNC_EVERY_S:
            os.fsync(self._file.fileno())
            self._synced_at = time.monotonic()


def _parsed(line: bytes) -> Any:
    """A whole line's content; None where a kill or a power failure has left something else."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", entry) if isinstance(entry, dict) else None
