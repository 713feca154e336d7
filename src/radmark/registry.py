"""A finished run to a place that others read, and back: a folder, any address fsspec knows (s3://, gs://), or a repository of the
Hugging Face hub (hf://owner/name).

Only files that cannot run travel: weights as safetensors, TOML, JSON, CSV, PNG and Markdown. A manifest says the sha256 and the
length of each. A fetched run appears whole, after every file was checked against it, or not at all. The manifest tells that the
files are those that were pushed; it does not tell who pushed them.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from radmark.core.errors import InputError
from radmark.io.atomic import check_folder, make_folder
from radmark.io.files import file_sha256

MANIFEST = "manifest.json"
TRAVELS = (".safetensors", ".toml", ".json", ".csv", ".png", ".md")
HUB = "hf://"

_MODEL = "model.safetensors"
_UNFINISHED = "training.safetensors"
_BLOCK = 1 << 20
_MANIFEST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Entry:
    """A file as the manifest states it."""

    sha256: str
    n_bytes: int


def push(run: Path, url: str) -> tuple[str, ...]:
    """Copy a finished run; returns the names of the files that travelled.

    On a file system the manifest goes last, so that an interrupted push is no run; on the hub all is one commit of a
    repository that is made private if it is new.

    Args:
        run: the folder `radmark train` made.
        url: an empty or new place.

    Raises:
        InputError: the run is not finished, the place holds something already, or it cannot be reached or written.
    """
    if not (run / _MODEL).is_file():
        raise InputError(
            "there is no trained model here", file=run, remedy="Give the --out folder of a `radmark train` that ran"
        )
    if (run / _UNFINISHED).exists():
        raise InputError("this run is not finished", file=run, remedy="Go on with --resume, then push it")
    files = sorted(
        file
        for file in run.iterdir()
        if file.is_file() and file.suffix in TRAVELS and _NAME.fullmatch(file.name) and file.name != MANIFEST
    )
    entries = {file.name: {"sha256": file_sha256(file), "bytes": file.stat().st_size} for file in files}
    manifest = json.dumps({"format": 1, "files": entries}, indent=1) + "\n"
    with _reaching(url):
        if url.startswith(HUB):
            _push_to_hub(files, manifest, url)
        else:
            _push_to_files(files, manifest, url)
    return tuple(entries)


def fetch(url: str, out: Path) -> tuple[str, ...]:
    """Copy a run from where `push` put it, checked; returns the names of its files.

    Raises:
        InputError: `out` holds something, the place cannot be reached or holds no run, the manifest names what may not travel,
            or a file is not the one of the manifest. Nothing is left in `out` then.
    """
    check_folder(out)
    make_folder(out.parent)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=".radmark-"))  # for the user alone
    try:
        with _reaching(url):
            opened = _open_on_hub(url, temporary / "hub") if url.startswith(HUB) else _open_on_files(url)
            with opened(MANIFEST) as stream:
                text = stream.read(_MANIFEST_BYTES + 1)
        entries = read_manifest(text, url)
        run = temporary / "run"
        run.mkdir(mode=0o700)
        (run / MANIFEST).write_bytes(text)
        for name, entry in entries.items():
            with _reaching(url), opened(name) as stream:
                found = _copied(stream, run / name, entry.n_bytes)
            if found != entry:
                raise InputError(
                    "a file is not the one the manifest speaks of: it was changed or damaged on the way, so nothing is kept",
                    value=name,
                    remedy="Fetch it again; where that does not help, ask who pushed it",
                )
        if out.is_dir():
            out.rmdir()
        os.replace(run, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return tuple(entries)


def read_manifest(text: bytes, url: str) -> dict[str, Entry]:
    """The files a manifest states, each a plain name of a kind that travels; the model is among them.

    Raises:
        InputError: it says anything else.
    """
    remedy = f"Give the URL that `radmark registry push` was given, not {url}"
    try:
        if len(text) > _MANIFEST_BYTES:
            raise ValueError
        tree = cast("Mapping[str, Any]", json.loads(text))
        if tree["format"] != 1:
            raise InputError("the manifest is of a newer format", value=str(tree["format"]), remedy="Update radmark")
        files = cast("Mapping[str, Any]", tree["files"])
        entries = {name: Entry(str(of["sha256"]), int(of["bytes"])) for name, of in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("this is not the manifest of a run", value=MANIFEST, remedy=remedy) from error
    for name, entry in entries.items():
        plain = _NAME.fullmatch(name) and Path(name).suffix in TRAVELS and name != MANIFEST
        if not plain or not re.fullmatch(r"[0-9a-f]{64}", entry.sha256) or entry.n_bytes < 0:
            raise InputError("the manifest names a file that may not travel", value=name[:100], remedy=remedy)
    if _MODEL not in entries:
        raise InputError("the manifest names no model", value=_MODEL, remedy=remedy)
    return entries


# ---- places ----------------------------------------------------------------------------------------------------------

_Opener = Callable[[str], IO[bytes]]


def _push_to_files(files: list[Path], manifest: str, url: str) -> None:
    import fsspec

    system, root = fsspec.url_to_fs(url)
    if system.exists(root) and (system.isfile(root) or system.ls(root, detail=False)):
        raise InputError("the place holds something already", value=url, remedy="Give another URL, or empty it first")
    system.makedirs(root, exist_ok=True)
    for file in files:
        with file.open("rb") as ours, system.open(f"{root}/{file.name}", "wb") as theirs:
            shutil.copyfileobj(ours, theirs, _BLOCK)
    with system.open(f"{root}/{MANIFEST}", "wb") as theirs:
        theirs.write(manifest.encode())


def _open_on_files(url: str) -> _Opener:
    import fsspec

    system, root = fsspec.url_to_fs(url)
    return lambda name: system.open(f"{root}/{name}", "rb")


def _push_to_hub(files: list[Path], manifest: str, url: str) -> None:
    from huggingface_hub import HfApi

    repository, revision = _repository(url)
    hub = HfApi()
    hub.create_repo(repository, private=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".radmark-") as folder:
        for file in files:
            shutil.copyfile(file, Path(folder) / file.name)
        (Path(folder) / MANIFEST).write_text(manifest, encoding="utf-8")
        hub.upload_folder(repo_id=repository, folder_path=folder, revision=revision, commit_message="A run of radmark")


def _open_on_hub(url: str, folder: Path) -> _Opener:
    from huggingface_hub import HfApi

    repository, revision = _repository(url)
    hub = HfApi()
    commit = hub.repo_info(repository, revision=revision).sha  # all files of one commit, whatever is pushed meanwhile

    def opened(name: str) -> IO[bytes]:
        return Path(hub.hf_hub_download(repository, name, revision=commit, local_dir=folder)).open("rb")

    return opened


def _repository(url: str) -> tuple[str, str | None]:
    """ "owner/name" and what follows an @, None where nothing does."""
    parts = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?", url)
    if parts is None:
        raise InputError(
            "this is not a repository of the hub", value=url, remedy="Give hf://owner/name or hf://owner/name@revision"
        )
    return parts[1], parts[2]


@contextmanager
def _reaching(url: str) -> Generator[None]:
    """What goes wrong between here and there, in one sentence; each kind of store has errors of its own."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"reaching this place needs a package that is not installed ({error})",
            value=url,
            remedy='Install it: pip install "radmark[hub]", and for s3:// also s3fs, for gs:// also gcsfs',
        ) from error
    except FileNotFoundError as error:
        raise InputError(
            "there is no run at this place", value=url, remedy="Give the URL that `radmark registry push` was given"
        ) from error
    except Exception as error:
        raise InputError(
            f"this place cannot be used ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})",
            value=url,
            remedy="Check the URL, the network and your rights there",
        ) from error


def _copied(stream: IO[bytes], to: Path, limit: int) -> Entry:
    """Copy at most one block more than `limit` bytes: what is longer is wrong anyway."""
    digest, n = hashlib.sha256(), 0
    with to.open("wb") as file:
        while n <= limit and (block := stream.read(_BLOCK)):
            digest.update(block)
            n += file.write(block)
    return Entry(digest.hexdigest(), n)
