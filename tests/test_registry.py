"""Runs travel whole and checked, or not at all. The hub is a stand-in that takes only what the real client takes."""

import hashlib
import inspect
import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import huggingface_hub
import pytest

from radmark import cli
from radmark.core import InputError
from radmark.io.atomic import check_folder
from radmark.registry import MANIFEST, fetch, push, read_manifest
from radmark.training.loop import RUN_FILES

FILES = {"model.safetensors": b"\x08weights" * 200_000, "config.toml": b"[data]\n", "card.md": "kärtchen".encode()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "tensorboard").mkdir(parents=True)
    (folder / "tensorboard/events").write_bytes(b"x")
    (folder / "weights.pkl").write_bytes(b"cos\nsystem\n")  # must stay at home
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=["memory", "folder", "hub"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "hub":
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: Hub(tmp_path / "repository"))
        return "hf://owner/name"
    return f"memory://{uuid.uuid4()}/run" if request.param == "memory" else str(tmp_path / "shared/run")


class Hub:
    """One repository on disk; every call is bound to the signature of the real client first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getattr__(self, name: str) -> Any:
        real = getattr(huggingface_hub.hf_api.HfApi, name)

        def call(*args: object, **options: object) -> object:
            given = inspect.signature(real).bind(self, *args, **options).arguments
            assert given["repo_id"] == "owner/name"
            return getattr(self, f"_{name}")(given)

        return call

    def _create_repo(self, given: dict[str, Any]) -> None:
        assert given["private"] is True
        self._folder.mkdir(exist_ok=True)

    def _upload_folder(self, given: dict[str, Any]) -> None:
        for file in Path(given["folder_path"]).iterdir():
            (self._folder / file.name).write_bytes(file.read_bytes())

    def _repo_info(self, given: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(sha="c0ffee")

    def _hf_hub_download(self, given: dict[str, Any]) -> str:
        assert given["revision"] == "c0ffee"
        return str(self._folder / given["filename"])


def spoil(place: str, tmp_path: Path, name: str, content: bytes) -> None:
    if place.startswith("hf://"):
        (tmp_path / "repository" / name).write_bytes(content)
    else:
        with fsspec.open(f"{place}/{name}", "wb") as file:
            file.write(content)  # pyright: ignore


def test_a_run_arrives_byte_for_byte_and_only_what_cannot_run_travels(place: str, run: Path, tmp_path: Path) -> None:
    push(run, place)
    fetch(place, tmp_path / "back")
    back = {file.name: file.read_bytes() for file in (tmp_path / "back").iterdir()}
    manifest = json.loads(back.pop(MANIFEST))
    assert back == FILES
    assert {name: of["sha256"] for name, of in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()
    }


def test_a_fetched_run_can_be_trained_over_as_one_made_here(run: Path, tmp_path: Path) -> None:
    push(run, str(tmp_path / "shared"))
    fetch(str(tmp_path / "shared"), tmp_path / "back")
    check_folder(tmp_path / "back", overwrite=True, ours=RUN_FILES)
    (tmp_path / "back" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        check_folder(tmp_path / "back", overwrite=True, ours=RUN_FILES)


@pytest.mark.parametrize("content", [b"\x08weightz" * 200_000, b"", FILES["model.safetensors"] * 3])
def test_a_changed_file_leaves_nothing_behind(place: str, run: Path, tmp_path: Path, content: bytes) -> None:
    push(run, place)
    spoil(place, tmp_path, "model.safetensors", content)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="not the one the manifest speaks of"):
        fetch(place, tmp_path / "there/back")
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/x.json", "a/b.json", "x.pkl", ".hidden.json", "manifest.json", "x.py"]
)
def test_a_manifest_cannot_name_what_may_not_travel(name: str) -> None:
    entry = {"sha256": "0" * 64, "bytes": 1}
    text = json.dumps({"format": 1, "files": {"model.safetensors": entry, name: entry}}).encode()
    with pytest.raises(InputError, match="may not travel"):
        read_manifest(text, "memory://x")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"format": 1}', b'{"format": 1, "files": {"a.md": 3}}', b"[" * 100_000])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="not the manifest"):
        read_manifest(text, "memory://x")


def test_a_place_or_a_folder_that_holds_something_is_left_alone(run: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "shared")
    push(run, place)
    with pytest.raises(InputError, match="holds something already"):
        push(run, place)
    with pytest.raises(InputError, match="not empty"):
        fetch(place, run)


def test_an_unfinished_run_stays_at_home(run: Path, tmp_path: Path) -> None:
    (run / "training.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="not finished"):
        push(run, str(tmp_path / "shared"))
    assert not (tmp_path / "shared").exists()


def test_a_place_that_is_not_there_or_not_known_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for url, words in (
        ("memory://nowhere/run", "there is no run at this place"),
        ("nosuch://a/b", "cannot be used"),
        ("hf://only-one-word", "not a repository of the hub"),
    ):
        assert cli.main(["registry", "fetch", url, "--out", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_push_and_fetch_from_the_command_line_warn_of_names(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["registry", "push", str(run), str(tmp_path / "shared")]) == 0
    assert "names of the training images and patients" in capsys.readouterr().err
    assert cli.main(["registry", "fetch", str(tmp_path / "shared"), "--out", str(tmp_path / "back")]) == 0
    assert "3 files" in capsys.readouterr().out
