"""What a report can become, a file for each: tables, pictures, DICOM objects. For anybody's marks, a model's or a person's."""

from radmark.outputs.output import COMBINED as COMBINED
from radmark.outputs.output import Options as Options
from radmark.outputs.output import Output as Output
from radmark.outputs.output import outputs as outputs
from radmark.outputs.writer import Writer as Writer
from radmark.outputs.writer import write as write
