"""What several rooms' tests share: schemes, data sets, hypothesis settings."""

import os
from collections.abc import Callable
from pathlib import Path

# Networks as small as the tests' gain nothing from threads, and on a busy machine the threads wait for each other. This has
# to stand before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest

from radmark.core import Case, Dataset, Frame, Landmarks, Scheme

# A slow machine is no failure; on CI the same examples every time, so that a red run can be repeated.
hypothesis.settings.register_profile("everyday", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "everyday")


@pytest.fixture
def scheme() -> Scheme:
    """Three landmarks, two of them left and right of the same thing."""
    return Scheme.from_names(("hip_right", "hip_left", "sacrum"), "hips")


@pytest.fixture
def make_dataset(scheme: Scheme) -> Callable[..., Dataset]:
    """A data set of as many cases as patients are listed; `sex` gives each case its attribute of that name."""

    def make(patients: list[str], sex: list[str] | None = None) -> Dataset:
        cases = [
            Case(
                name=f"film-{i}.png",
                image=Path(f"film-{i}.png"),
                landmarks=Landmarks.present(scheme, Frame(40, 30), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])),
                patient=patient,
                attributes={} if sex is None else {"sex": sex[i]},
            )
            for i, patient in enumerate(patients)
        ]
        return Dataset(scheme, tuple(cases))

    return make
