"""The words everything else speaks: film, marks, study, finding, report; scheme, frame, errors. numpy and stdlib only.

| Word | Means |
|---|---|
| film | one radiograph, whatever file it is in |
| marks | what one author (a reader, a model, a consensus) says of one film |
| reader, reading | a person who marks; a reader's n-th pass |
| study | films, and marks on them |
| finding | something to be known of a film, a landmark, a number |
| result, report | a measurement; all that follows from a film and marks |

Names load when they are first used: the command line needs only the errors to show its help, and numpy takes longer to load
than all the rest of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radmark.core.errors import InputError as InputError
    from radmark.core.errors import RadmarkError as RadmarkError
    from radmark.core.film import Film as Film
    from radmark.core.finding import Finding as Finding
    from radmark.core.finding import Severity as Severity
    from radmark.core.frame import Frame as Frame
    from radmark.core.frame import Inset as Inset
    from radmark.core.frame import Spacing as Spacing
    from radmark.core.frame import SpacingSource as SpacingSource
    from radmark.core.marks import Marks as Marks
    from radmark.core.marks import State as State
    from radmark.core.report import Report as Report
    from radmark.core.report import Result as Result
    from radmark.core.scheme import LandmarkDefinition as LandmarkDefinition
    from radmark.core.scheme import Scheme as Scheme
    from radmark.core.split import Split as Split
    from radmark.core.split import same_pixels as same_pixels
    from radmark.core.study import Marked as Marked
    from radmark.core.study import Study as Study

_MODULES = {
    "errors": ("InputError", "RadmarkError"),
    "film": ("Film",),
    "finding": ("Finding", "Severity"),
    "frame": ("Frame", "Inset", "Spacing", "SpacingSource"),
    "marks": ("Marks", "State"),
    "report": ("Report", "Result"),
    "scheme": ("LandmarkDefinition", "Scheme"),
    "split": ("Split", "same_pixels"),
    "study": ("Marked", "Study"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"radmark.core.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
