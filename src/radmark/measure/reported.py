"""What can be measured on a film, as its DICOM report holds it."""

from typing import Literal

import numpy as np

from radmark.core.landmarks import Landmarks
from radmark.core.radiograph import Radiograph
from radmark.io.dicom_sr import Reported
from radmark.measure.measure import measure


def reported(landmarks: Landmarks, radiograph: Radiograph) -> list[Reported]:
    """Everything that could be computed on a film, each with its points as one line."""
    flags = radiograph.flags
    display: Literal["standard", "mirrored", "unknown"] = (
        "mirrored" if "mirrored_display" in flags else "unknown" if "orientation_unknown" in flags else "standard"
    )
    side = "left" if radiograph.side == "left" else "right" if radiograph.side == "right" else None
    found: list[Reported] = []
    for r in measure(landmarks, side=side, display=display):
        if r.value is not None:
            notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
            notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
            notes += () if r.side is None else (f"side: {r.side}",)
            points = np.array([landmarks[name] for name in r.points])
            own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
            found.append(Reported(r.title, r.value, r.unit, "POLYLINE", points, r.side, own, notes))
    return found
