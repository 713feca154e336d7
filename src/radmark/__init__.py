"""radmark: from a few dozen annotated radiographs to landmark positions, measurements and a report. Research use only.

    film  = radmark.read("hip.dcm", side="left")        a film: DICOM, PNG, JPEG or TIFF
    model = radmark.load("run/")                        a trained or exported model
    marks = model(film)                                 its landmarks (a path or an array will do as well)
    rep   = radmark.examine(film, marks)                measurements, and what has to be known of them
    radmark.write(rep, "report.dcm")                    csv, json, coco, parquet, png, dcm, gsps, sc
    study = radmark.read_study("points.csv", films="films/")   annotations of any format; write_study writes them
    model = radmark.train(study, recipe="cpu", out="run/")
    score = radmark.evaluate(model, study)

Classes: Film, Marks, Study, Scheme, Report, Result. What cannot be used raises InputError. docs/python.md has examples.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radmark.core.errors import InputError as InputError
    from radmark.core.film import Film as Film
    from radmark.core.marks import Marks as Marks
    from radmark.core.report import Report as Report
    from radmark.core.report import Result as Result
    from radmark.core.scheme import Scheme as Scheme
    from radmark.core.study import Study as Study
    from radmark.measure.examine import examine as examine
    from radmark.outputs.writer import write as write
    from radmark.surface import evaluate as evaluate
    from radmark.surface import load as load
    from radmark.surface import read as read
    from radmark.surface import read_study as read_study
    from radmark.surface import train as train
    from radmark.surface import write_study as write_study

__version__ = "0.1.0"

RESEARCH_USE = "For research use only. Not a medical device; not for diagnosis, treatment or planning."
"""Stands wherever results leave the program."""

# Names load when they are first used, so that `import radmark` and the command line's help stay light.
_MODULES = {
    "radmark.core.errors": ("InputError",),
    "radmark.core.film": ("Film",),
    "radmark.core.marks": ("Marks",),
    "radmark.core.report": ("Report", "Result"),
    "radmark.core.scheme": ("Scheme",),
    "radmark.core.study": ("Study",),
    "radmark.measure.examine": ("examine",),
    "radmark.outputs.writer": ("write",),
    "radmark.surface": ("evaluate", "load", "read", "read_study", "train", "write_study"),
}
_ROOMS = ("agree", "core", "evaluate", "io", "measure", "outputs", "phantom", "stats")
"""Rooms that are there as attributes after `import radmark`."""

__all__ = [
    "Film", "InputError", "Marks", "Report", "Result", "Scheme", "Study", "evaluate", "examine", "load", "read", "read_study",
    "train", "write", "write_study",
]  # fmt: skip


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    if name in _ROOMS:
        return import_module(f"radmark.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "RESEARCH_USE", "__version__"])
