"""What is asked of the maps: one objective per loss, one file each. To add one is to add its file.

Its name, as `--loss` takes it, is the file's, with hyphens. The file says in one line each, as literals, `SHAPES`, the label
shapes it can be asked for, and `MULTIPLIES = True` where the maps of several levels may be multiplied; `radmark.config` reads
these lines without loading torch. It holds one class, `Task`, an `Objective`.
"""

from importlib import import_module

from radmark.config import LabelConfig
from radmark.targets.objectives.base import Objective as Objective


def objective(labels: LabelConfig) -> Objective:
    """The objective that `labels` asks for."""
    task: type[Objective] = import_module(f"{__name__}.{labels.loss.replace('-', '_')}").Task
    return task(labels)
