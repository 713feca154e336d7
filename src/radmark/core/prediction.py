"""What a model says about one radiograph."""

from dataclasses import dataclass

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray
from radmark.core.landmarks import Landmarks


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
