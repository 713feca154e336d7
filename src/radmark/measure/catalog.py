"""Everything that is measured without being asked for, in the order of a report; docs/measurements.md, too, and a test compares."""

from radmark.measure.hip import HIP
from radmark.measure.knee import KNEE

MEASURES = (*HIP, *KNEE)
