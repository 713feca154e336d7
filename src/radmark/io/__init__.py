"""Bytes into words and back, one file a format; each converts to radmark's one convention, there and only there."""

from radmark.io.annotations import FORMATS as FORMATS
from radmark.io.annotations import read_annotations as read_annotations
from radmark.io.annotations import write_annotations as write_annotations
from radmark.io.coco import write_predictions_coco as write_predictions_coco
from radmark.io.exchange import Context as Context
from radmark.io.exchange import of_dataset as of_dataset
from radmark.io.exchange import of_predictions as of_predictions
from radmark.io.exchange import to_dataset as to_dataset
from radmark.io.images import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from radmark.io.images import MAX_PIXELS as MAX_PIXELS
from radmark.io.images import read_header as read_header
from radmark.io.images import read_image as read_image
from radmark.io.images import read_size as read_size
from radmark.io.images import read_spacing as read_spacing
from radmark.io.points_json import write_predictions_json as write_predictions_json
from radmark.io.schemes import read_scheme as read_scheme
from radmark.io.schemes import shipped_schemes as shipped_schemes
from radmark.io.table import Finding as Finding
from radmark.io.table import Inspection as Inspection
from radmark.io.table import Severity as Severity
from radmark.io.table import TableOptions as TableOptions
from radmark.io.table import inspect_table as inspect_table
from radmark.io.table import read_dataset as read_dataset
from radmark.io.table import write_predictions_csv as write_predictions_csv
