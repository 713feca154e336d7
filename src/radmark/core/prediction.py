"""What a model says about one radiograph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray
from radmark.core.landmarks import Landmarks
from radmark.core.scheme import Scheme


@dataclass(frozen=True, eq=False)
class Prediction:
    """Landmarks a model placed, in the radiograph's own frame, and how sure it is of each.

    Args:
        name: the image's name, as in the annotation file.
        landmarks: in the source image's frame (pixels of the file, its spacing).
        confidence: (K,) in [0, 1], NaN where the model placed nothing. Not a probability of being right.

    Raises:
        InputError: confidence is not one number in [0, 1] a landmark.
    """

    name: str
    landmarks: Landmarks
    confidence: FloatArray

    def __post_init__(self) -> None:
        confidence = np.array(self.confidence, dtype=np.float64)
        known = confidence[np.isfinite(confidence)]
        if confidence.shape != self.landmarks.states.shape or ((known < 0) | (known > 1)).any():
            raise InputError(
                "confidence is one number in [0, 1] for each landmark",
                value=confidence.tolist(),
                remedy="Give one for each landmark of the scheme",
            )
        confidence.flags.writeable = False
        object.__setattr__(self, "confidence", confidence)


def common_scheme(predictions: Sequence[Prediction]) -> Scheme:
    """The one scheme of all predictions, each of another image, as a file of them needs it.

    Raises:
        InputError: no prediction, two of one image name, or predictions of several schemes.
    """
    if not predictions:
        raise InputError("there is no prediction to write", remedy="Give at least one image")
    scheme = predictions[0].landmarks.scheme
    names: set[str] = set()
    for prediction in predictions:
        if prediction.name in names:
            raise InputError(
                "two predictions have the same image name",
                value=prediction.name,
                remedy="Give names with their folder, or two files",
            )
        names.add(prediction.name)
        if prediction.landmarks.scheme.names != scheme.names:
            raise InputError(
                f"predictions of schemes {scheme.name} and {prediction.landmarks.scheme.name} do not fit in one file",
                value=prediction.name,
                remedy="Write one file a scheme",
            )
    return scheme
