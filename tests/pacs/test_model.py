"""The program in which the model runs, seen from the listener: it may die of an image, be slow, change, or not start at all."""

import time
from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.pacs import listener
from radmark.pacs.listener import Model, ModelUnusableError
from radmark.pacs.spool import Item
from radmark.privacy.audit import Processed

PROGRAM = """
import json, os, sys, time
from pathlib import Path
run = Path(sys.argv[1])
if (run / "broken").exists():
    print(json.dumps({"unusable": "no model"}), flush=True)
    sys.exit()
sha = (run / "sha").read_text()
print(json.dumps({"model_sha256": sha}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    with (run / "tries").open("a") as tries:
        tries.write("x")
    what = Path(job["image"]).read_text()
    if what == "deadly":
        os.abort()
    if what == "slow":
        time.sleep(60)
    if what == "full":
        print(json.dumps({"later": "No space left on device"}), flush=True)
    elif what == "bad":
        print(json.dumps({"failed": "no hip is on it", "remedy": "Send hips"}), flush=True)
    else:
        print(json.dumps({"record": {
            "model_sha256": sha, "file_sha256": "f", "image_uid": what, "millimetres_from": None, "measurements": job["frame"],
            "flags": [], "report_uid": "2.25.1"}}), flush=True)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(listener, "PROGRAM", ("-c", PROGRAM))
    (tmp_path / "sha").write_text("ab" * 32, encoding="utf-8")
    return tmp_path


def image(run: Path, what: str) -> Item:
    folder = run / what
    folder.mkdir(exist_ok=True)
    (folder / "image.dcm").write_text(what, encoding="utf-8")
    return Item(folder)


def tries(run: Path) -> int:
    return len((run / "tries").read_text(encoding="utf-8"))


def test_an_image_that_the_program_dies_of_is_given_up_after_two_tries_and_the_next_is_looked_at(run: Path) -> None:
    with Model(run) as model:
        with pytest.raises(InputError, match="ended over this one"):
            model.report(image(run, "deadly"), None)
        assert tries(run) == 2
        assert model.report(image(run, "good"), 3) == Processed("ab" * 32, "f", "good", None, 3, [], "2.25.1")


def test_an_image_that_takes_too_long_is_given_up(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "IMAGE_LIMIT_S", 0.5)
    with Model(run) as model:
        began = time.monotonic()
        with pytest.raises(InputError, match="too long"):
            model.report(image(run, "slow"), None)
        assert time.monotonic() - began < 50
        assert model.report(image(run, "good"), None).image_uid == "good"


def test_a_reason_of_the_images_own_is_not_tried_again_and_a_full_disk_is_not_the_images_fault(run: Path) -> None:
    with Model(run) as model:
        with pytest.raises(InputError, match="no hip"):
            model.report(image(run, "bad"), None)
        assert tries(run) == 1
        with pytest.raises(OSError, match="No space"):
            model.report(image(run, "full"), None)


def test_a_model_that_is_changed_or_gone_stops_the_listener_and_not_the_image(run: Path) -> None:
    with Model(run) as model:
        (run / "sha").write_text("cd" * 32, encoding="utf-8")
        with pytest.raises(ModelUnusableError, match="changed"):
            model.report(image(run, "deadly"), None)
    (run / "broken").touch()
    with pytest.raises(ModelUnusableError, match="no model"):
        Model(run)


def test_the_program_ends_with_the_block(run: Path) -> None:
    with Model(run) as model:
        program = model._program
        assert program.poll() is None
    assert program.poll() is not None


@pytest.mark.slow  # it loads torch
def test_the_true_program_says_what_is_wrong_with_a_run(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusableError, match="no trained model here"):
        Model(tmp_path / "none")
