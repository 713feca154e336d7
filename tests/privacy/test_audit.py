"""The audit log: what a line says, what it never says, and that lines are only ever added."""

import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from radmark import __version__
from radmark.core import InputError
from radmark.privacy.audit import AuditLog, Processed

UID, REPORT = "1.2.840.99.1", "2.25.77"
SEEN = Processed("ab" * 32, "cd" * 32, UID, "dicom-detector", 3, ("spacing_at_detector",), REPORT)


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_what_was_done_and_hides_the_uids_under_the_key_beside_it(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    AuditLog(log).append(SEEN)
    key = bytes.fromhex((tmp_path / "audit.jsonl.key").read_text(encoding="ascii"))
    (line,) = lines(log)
    when = datetime.fromisoformat(str(line.pop("time")))
    assert when.utcoffset() == timedelta(0)
    assert line == {
        "software": f"radmark {__version__}",
        "model_sha256": "ab" * 32,
        "image": hmac.new(key, UID.encode(), hashlib.sha256).hexdigest(),
        "file_sha256": "cd" * 32,
        "millimetres_from": "dicom-detector",
        "measurements": 3,
        "flags": ["spacing_at_detector"],
        "report": hmac.new(key, REPORT.encode(), hashlib.sha256).hexdigest(),
    }
    assert UID not in log.read_text(encoding="utf-8")


def test_log_and_key_are_private_and_two_logs_hide_one_image_differently(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        AuditLog(tmp_path / name).append(SEEN)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len({lines(tmp_path / name)[0]["image"] for name in ("a.jsonl", "b.jsonl")}) == 2


def test_lines_are_added_under_the_same_key_and_none_is_glued_to_one_that_a_power_cut_tore(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    AuditLog(log).append(SEEN)
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:50])
    again = AuditLog(log)
    again.append(SEEN)
    first, torn, last = log.read_bytes().splitlines()
    assert first + b"\n" == whole
    assert torn == whole[:50]
    assert json.loads(last)["image"] == json.loads(first)["image"]
    assert again.reports() == {again.hidden(REPORT)}


def test_programs_that_write_at_once_lose_no_line_and_agree_on_the_key(tmp_path: Path) -> None:
    def write(_: int) -> None:
        AuditLog(tmp_path / "audit.jsonl").append(SEEN)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len(lines(tmp_path / "audit.jsonl")) == 40
    assert len({str(line["image"]) for line in lines(tmp_path / "audit.jsonl")}) == 1


def test_a_key_that_is_gone_damaged_or_open_to_others_is_refused(tmp_path: Path) -> None:
    log, key = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.key"
    AuditLog(log).append(SEEN)
    key.chmod(0o640)
    with pytest.raises(InputError, match="readable by other users"):
        AuditLog(log)
    key.chmod(0o600)
    key.write_text("short", encoding="ascii")
    with pytest.raises(InputError, match="damaged"):
        AuditLog(log)
    key.unlink()
    with pytest.raises(InputError, match="key is missing"):
        AuditLog(log)


def test_an_image_that_is_no_dicom_file_has_no_hash_of_a_uid(tmp_path: Path) -> None:
    AuditLog(tmp_path / "a.jsonl").append(Processed("ab" * 32, "cd" * 32, None, None, 0, ()))
    (line,) = lines(tmp_path / "a.jsonl")
    assert (line["image"], line["report"], line["millimetres_from"]) == (None, None, None)
