"""What several rooms' tests share: schemes, data sets, hypothesis settings."""

import os
from collections.abc import Callable

# Networks as small as the tests' gain nothing from threads, and on a busy machine the threads wait for each other. This has
# to stand before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from radmark.core import Film, Frame, Marked, Marks, Scheme, Study

# A slow machine is no failure; on CI the same examples every time, so that a red run can be repeated.
hypothesis.settings.register_profile("everyday", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "everyday")


POINTS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.fixture
def scheme() -> Scheme:
    """Three landmarks, two of them left and right of the same thing."""
    return Scheme.from_names(("hip_right", "hip_left", "sacrum"), "hips")


@pytest.fixture
def make_dataset(scheme: Scheme) -> Callable[..., Study]:
    """A study of as many films as patients are listed; `sex` gives each film its attribute of that name."""

    def make(patients: list[str], sex: list[str] | None = None) -> Study:
        rows = [
            Marked(
                Film(f"film-{i}.png", (40, 30), attributes={} if sex is None else {"sex": sex[i]}).stated(
                    patient=patient
                ),
                Marks.present(scheme, Frame(40, 30), POINTS, film=f"film-{i}.png"),
            )
            for i, patient in enumerate(patients)
        ]
        return Study(scheme, tuple(rows))

    return make
