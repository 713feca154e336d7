"""Bytes into words and back, one file per format; each converts to radmark's one convention, there and only there."""

from radmark.io.annotations import read_annotations as read_annotations
from radmark.io.annotations import read_by as read_by
from radmark.io.annotations import write_annotations as write_annotations
from radmark.io.exchange import Context as Context
from radmark.io.exchange import of_marks as of_marks
from radmark.io.exchange import with_films as with_films
from radmark.io.format import Format as Format
from radmark.io.format import Holds as Holds
from radmark.io.formats import FORMATS as FORMATS
from radmark.io.formats.table import write_predictions_csv as write_predictions_csv
from radmark.io.images import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from radmark.io.images import MAX_PIXELS as MAX_PIXELS
from radmark.io.images import as_film as as_film
from radmark.io.images import of_frame as of_frame
from radmark.io.images import open_film as open_film
from radmark.io.images import read_film as read_film
from radmark.io.images import read_size as read_size
from radmark.io.images import with_file as with_file
from radmark.io.schemes import read_scheme as read_scheme
from radmark.io.schemes import shipped_schemes as shipped_schemes
from radmark.io.table import Inspection as Inspection
from radmark.io.table import Problem as Problem
from radmark.io.table import Severity as Severity
from radmark.io.table import TableOptions as TableOptions
from radmark.io.table import inspect_table as inspect_table
from radmark.io.table import read_dataset as read_dataset
