"""Everything that is measured without being asked for, in the order of a report and of docs/measurements.md."""

from radmark.measure.hip import HIP
from radmark.measure.knee import KNEE

MEASURES = (*HIP, *KNEE)
