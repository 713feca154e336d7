"""Geometry with units: a film and marks on it in; values, units, points used, uncertainty and findings out."""

from radmark.core.report import Report as Report
from radmark.core.report import Result as Result
from radmark.measure.catalog import MEASURES as MEASURES
from radmark.measure.examine import examine as examine
