"""A model as one file that other programs load: what such a file says of itself, and prediction from it without torch."""

from radmark.exported.facts import Facts as Facts
from radmark.exported.predictor import ExportedPredictor as ExportedPredictor
from radmark.exported.predictor import is_exported as is_exported
