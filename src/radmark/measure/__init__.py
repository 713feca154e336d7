"""Geometry with units: landmarks in; value, unit, points used, uncertainty and flags out."""

from radmark.measure.catalog import MEASURES as MEASURES
from radmark.measure.measure import Result as Result
from radmark.measure.measure import measure as measure
