"""The words everything else speaks: frame, scheme, landmarks, radiograph, data set, errors. numpy and stdlib only.

Names load when they are first used: the command line needs only the errors to show its help, and numpy takes longer to load
than all the rest of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radmark.core.dataset import Case as Case
    from radmark.core.dataset import Dataset as Dataset
    from radmark.core.dataset import Split as Split
    from radmark.core.dataset import same_pixels as same_pixels
    from radmark.core.errors import InputError as InputError
    from radmark.core.errors import RadmarkError as RadmarkError
    from radmark.core.frame import Frame as Frame
    from radmark.core.frame import Inset as Inset
    from radmark.core.frame import Spacing as Spacing
    from radmark.core.frame import SpacingSource as SpacingSource
    from radmark.core.landmarks import Landmarks as Landmarks
    from radmark.core.landmarks import State as State
    from radmark.core.prediction import Prediction as Prediction
    from radmark.core.radiograph import Radiograph as Radiograph
    from radmark.core.scheme import LandmarkDefinition as LandmarkDefinition
    from radmark.core.scheme import Scheme as Scheme

_MODULES = {
    "dataset": ("Case", "Dataset", "Split", "same_pixels"),
    "errors": ("InputError", "RadmarkError"),
    "frame": ("Frame", "Inset", "Spacing", "SpacingSource"),
    "landmarks": ("Landmarks", "State"),
    "prediction": ("Prediction",),
    "radiograph": ("Radiograph",),
    "scheme": ("LandmarkDefinition", "Scheme"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"radmark.core.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
