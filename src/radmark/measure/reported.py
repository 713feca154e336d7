"""What can be measured on a film, as its DICOM report holds it."""

from radmark.core.landmarks import Landmarks
from radmark.core.radiograph import Radiograph
from radmark.io.dicom_result import Reported
from radmark.measure.film import measure_film
from radmark.measure.shapes import shape_of


def reported(landmarks: Landmarks, radiograph: Radiograph) -> list[Reported]:
    """Everything that could be computed on a film, each with the line, lines or ellipse it is."""
    found: list[Reported] = []
    for r in measure_film(landmarks, radiograph):
        if r.value is not None:
            notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
            notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
            notes += () if r.side is None else (f"side: {r.side}",)
            shape = shape_of(r, landmarks)
            own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
            found.append(Reported(r.title, r.value, r.unit, shape.kind, shape.points, r.side, own, notes, shape.lines))
    return found
