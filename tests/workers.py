"""A batch by a process of its own, and what workers of Ray load: a module, since they have to import it. Neither needs torch.

python workers.py FOLDER OUT
"""

import os
import sys
from pathlib import Path

from lantern import Lantern
from radmark.batch.run import run_batch
from radmark.core import Film


def load_and_tell(pids: Path) -> Lantern:
    """A model that takes its time, after leaving this process's number in a folder."""
    (pids / str(os.getpid())).touch()
    return Lantern(wait_s=0.02)


def films_of(folder: Path) -> list[Film]:
    """The films of a folder."""
    return [Film(path.name, path=path) for path in sorted(folder.iterdir())]


if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:])
    ended = run_batch(films_of(folder), lambda: Lantern(wait_s=0.02), out, model="abc", format="parquet", settings={})
    sys.stdout.write(f"{ended.resumed}\n")
