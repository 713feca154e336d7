"""Logs as JSON, an event a line, without a word of any patient.

What came from outside is not written: no path, no query, no file name, no header, no message of an exception (a decoder's may
quote the file). Routes are those we have, and exceptions are told by their type and the lines of code they passed through.
"""

import json
import logging
import traceback
from datetime import UTC, datetime

logger = logging.getLogger("radmark.serve")


def event(name: str, *, level: int = logging.INFO, error: BaseException | None = None, **facts: object) -> None:
    """Note that something happened; `facts` are numbers and words of our own."""
    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        facts |= {"error": type(error).__name__, "at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]}
    logger.log(level, name, extra={"facts": facts})


class JsonLines(logging.Formatter):
    """A record as one line of JSON. Of another library's record only its logger and level are told."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts: dict[str, object] | None = getattr(record, "facts", None)
        told = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")}
        told |= {"level": record.levelname.lower()}
        if record.name == logger.name and facts is not None:
            return json.dumps({**told, "event": record.getMessage(), **facts})
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        return json.dumps({**told, "event": "library", "logger": record.name, "error": kind})
