"""Which model saw which film, in JSON Lines that name nobody.

A line holds a UID as HMAC-SHA256 under a key that lies beside the log: whoever has the image and the key can find its line, and
the log alone says nothing of a patient. No name, ID, path or file name is written.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from radmark import __version__
from radmark.core.errors import InputError
from radmark.core.report import Report

_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Processed:
    """A film that went through a model.

    Args:
        model_sha256: of the model file.
        file_sha256: of the film's file.
        image_uid: its SOP Instance UID; None where it is no DICOM file.
        millimetres_from: where its spacing comes from; None where it has none.
        measurements: how many were computed.
        flags: of the film.
        report_uid: SOP Instance UID of the report that left; None where none did.
    """

    model_sha256: str
    file_sha256: str
    image_uid: str | None
    millimetres_from: str | None
    measurements: int
    flags: Sequence[str]
    report_uid: str | None = None

    @classmethod
    def of(
        cls, report: Report, model_sha256: str, file_sha256: str, image_uid: str | None, report_uid: str | None
    ) -> "Processed":
        """What a report says of a film that a model marked; the other arguments as in the class."""
        spacing = report.marks.frame.spacing
        return cls(
            model_sha256=model_sha256,
            file_sha256=file_sha256,
            image_uid=image_uid,
            millimetres_from=None if spacing is None else spacing.source.value,
            measurements=len(report.computed),
            flags=report.film.flags,
            report_uid=report_uid,
        )


class AuditLog:
    """Lines are added and never changed; several programs may write to one log.

    Args:
        path: of the log. It and its key, `path` with `.key` added, are made where there is none, readable by their owner only.

    Raises:
        InputError: the key is gone, damaged, or readable by other users; or the log cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = _key(path)
        try:
            os.close(self._opened())
        except OSError as error:
            raise InputError(
                f"the audit log cannot be written: {error.strerror}", file=path, remedy="Give another --audit"
            ) from error

    def append(self, processed: Processed) -> None:
        """Add a line, and see it on the disk.

        Raises:
            OSError: it could not be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": f"radmark {__version__}",
            "model_sha256": processed.model_sha256,
            "image": self._hidden(processed.image_uid),
            "file_sha256": processed.file_sha256,
            "millimetres_from": processed.millimetres_from,
            "measurements": processed.measurements,
            "flags": list(processed.flags),
            "report": self._hidden(processed.report_uid),
        }
        handle = self._opened()
        try:
            # After a power cut the last line may lack its end; the next must not be glued to it.
            size = os.fstat(handle).st_size
            torn = size > 0 and os.lseek(handle, size - 1, os.SEEK_SET) >= 0 and os.read(handle, 1) != b"\n"
            data = (b"\n" if torn else b"") + json.dumps(line).encode() + b"\n"
            if os.write(handle, data) != len(data):
                raise OSError("the audit log's disk is full")
            os.fsync(handle)
        finally:
            os.close(handle)

    def reports(self) -> frozenset[str]:
        """The keyed hash of every report in the log, as `hidden` gives it."""
        found: set[str] = set()
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    found.add(json.loads(line)["report"])
                except (ValueError, KeyError, TypeError):  # torn by a power cut
                    continue
        return frozenset(found)

    def hidden(self, uid: str) -> str:
        """The keyed hash that stands for a UID in this log."""
        return hmac.new(self._key, uid.encode(), hashlib.sha256).hexdigest()

    def _hidden(self, uid: str | None) -> str | None:
        return None if uid is None else self.hidden(uid)

    def _opened(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def _key(log: Path) -> bytes:
    path = log.with_name(f"{log.name}.key")
    try:
        begun = log.exists() and log.stat().st_size > 0  # asked first: another program may begin both meanwhile
        if not path.exists():
            if begun:
                raise InputError(
                    "the audit log's key is missing, and a new one would not match its earlier lines",
                    file=path,
                    remedy="Put the key back, or start another log",
                )
            log.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".radmark-")  # private from the first byte
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_hex(32))
                    file.flush()
                    os.fsync(handle)
                os.link(name, path)
            except FileExistsError:
                pass  # another program was quicker: its key is the one
            finally:
                Path(name).unlink()
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise InputError(
                "the audit log's key is readable by other users", file=path, remedy=f"chmod 600 {path.name}"
            )
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise InputError(
            f"the audit log's key cannot be read or made: {error.strerror}", file=path, remedy="Give another --audit"
        ) from error
    if not _KEY.fullmatch(text):
        raise InputError("the audit log's key is damaged", file=path, remedy="Put the key back, or start another log")
    return bytes.fromhex(text)
