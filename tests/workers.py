"""What workers of Ray load in tests; a module of its own, since they have to import it."""

import os
from pathlib import Path

from radmark.infer import Predictor


def load_and_tell(run: Path, pids: Path) -> Predictor:
    """The model, after leaving this process's number in a folder."""
    (pids / str(os.getpid())).touch()
    return Predictor.load(run)
