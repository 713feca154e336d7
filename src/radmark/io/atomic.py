"""Files appear whole or not at all, and nothing that exists is replaced by accident."""

import os
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from radmark.core.errors import InputError

_TEMPORARY = ".radmark-"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for the user alone (0700): results of patients' films go into it.

    One that is there already keeps its permissions.
    """
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # says so where a file stands in its place


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary name beside `path`; renamed to `path` when the block ends well, deleted when it does not.

    The temporary name keeps the suffix, because many writers choose their format by it.
    """
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_TEMPORARY}{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; the result gets the permissions any other new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_folder(folder: Path, *, overwrite: bool = False, ours: Sequence[str] = ()) -> None:
    """Make sure a folder for results may be made, without touching anything.

    Args:
        folder: where the results should go.
        overwrite: the user asked to replace what is there.
        ours: patterns of the files this command writes, as paths inside the folder. Only such a folder is ever replaced:
            a slip such as `--out ~ --overwrite` must not cost anybody their files.

    Raises:
        InputError: it is a file, or it holds something that may not be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("a file stands where the folder should be", file=folder, remedy="Give another --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        remedy = "Give another folder, or --overwrite to replace its content" if ours else "Give another folder"
        raise InputError("the folder is not empty", file=folder, remedy=remedy)
    held = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if not path.is_dir()]
    patterns = (*ours, f"{_TEMPORARY}*", f"*/{_TEMPORARY}*")  # what a killed process left half-written is ours too
    foreign = [name for name in held if not any(fnmatch(name, pattern) for pattern in patterns)]
    if foreign:
        raise InputError(
            "the folder holds something this command did not write, so it is not replaced",
            file=folder,
            value=foreign[0],
            remedy="Move that away, or give another --out",
        )


def claim_folder(folder: Path, *, overwrite: bool = False, ours: Sequence[str] = ()) -> None:
    """Make an empty folder for results, for the user alone; the arguments and errors are those of `check_folder`."""
    check_folder(folder, overwrite=overwrite, ours=ours)
    if folder.is_dir():
        shutil.rmtree(folder)
    make_folder(folder)


def claim_file(path: Path, *, overwrite: bool = False) -> None:
    """Make sure a result file may be written.

    Raises:
        InputError: it exists and `overwrite` is off, or it is a folder.
    """
    if path.is_dir():
        raise InputError("a folder stands where the file should be", file=path, remedy="Give a file name for --out")
    if path.exists() and not overwrite:
        raise InputError(
            "the file exists already", file=path, remedy="Give another --out, or --overwrite to replace it"
        )
