"""A prediction: one confidence in [0, 1] for each landmark."""

import math

import numpy as np
import pytest

from radmark.core import Frame, InputError, Landmarks, Prediction, Scheme


@pytest.mark.parametrize("confidence", [[0.5, 0.5], [0.5, 1.01, 0.5], [0.5, -0.01, 0.5], [[0.5, 0.5, 0.5]]])
def test_a_confidence_that_is_none_is_refused(scheme: Scheme, confidence: list) -> None:
    with pytest.raises(InputError, match=r"one number in \[0, 1\] for each landmark"):
        Prediction("a.png", Landmarks.of(scheme, Frame(4, 4), {}), np.array(confidence))


def test_where_nothing_was_placed_there_is_none(scheme: Scheme) -> None:
    confidence = np.array([0.0, 1.0, math.nan])
    prediction = Prediction("a.png", Landmarks.of(scheme, Frame(4, 4), {}), confidence)
    confidence[0] = 0.7
    assert prediction.confidence[0] == 0
