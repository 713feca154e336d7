"""`radmark report`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from radmark.cli.common import Marked, Measuring
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.io.dicom_sr import Verified


@dataclass(frozen=True)
class Report:
    """Pictures, DICOM reports or tables of marks that exist already: made or corrected by a person. For research use only.

    In a DICOM report the observer is the reader the annotations name, and it is UNVERIFIED unless --verified-by says otherwise.
    """

    marked: Marked

    out: Path
    """The file to write: .csv, .json, .parquet; of one film also .png, an annotated picture, or .dcm, a Structured Report for the
    archive it came from. Of several films: a folder, and --format."""

    format: Annotated[str | None, arg(metavar="FORMAT")] = None
    """Of --out: csv, json, coco, parquet, png, dcm, gsps, sc or dcm-all; by default its suffix says it. gsps: a DICOM
    presentation state, which viewers lay over the film; sc: the annotated picture as a DICOM Secondary Capture; dcm-all: report,
    state and capture of each film."""

    measure: bool = False
    """Measurements, too, in .csv, .json and .parquet; the others always have them."""

    verified_by: str | None = None
    """Family^Given of the person who says that the reports are right: they are VERIFIED then. With --organization."""

    organization: str | None = None
    """Of that person."""

    burned_in_ok: bool = False
    """Write pictures of films whose pixels hold text, by their own word. Look first: it may name the patient."""

    frame: int | None = None
    """Of DICOM files of several frames, which one was marked, from 1."""

    measuring: Measuring = field(default_factory=Measuring)

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Read, examine, write."""
        from radmark.console import counted, err, out
        from radmark.measure import examine
        from radmark.outputs import Options, Writer

        verified = _verified(self.verified_by, self.organization)
        options = Options(measure=self.measure, burned_in_ok=self.burned_in_ok, verified_by=verified)
        study, how = self.marked.study(), self.measuring.options()
        writer = Writer(self.out, study.names, self.format, options=options, overwrite=self.overwrite)
        for film, marks in study.rows:
            try:
                meant = self.marked.film(film, self.frame)
                writer.add(examine(meant.loaded() if writer.pixels else meant, marks, **how))
            except InputError as error:
                raise error.at(file=error.file or film.name) from error
        for error in writer.left_out:
            err.print(f"left out: {error}")
        writer.close()
        out.print(f"{counted(len(study.names))}, {len(study.scheme)} landmarks each, in {self.out}")
        return 0


def _verified(name: str | None, organization: str | None) -> "Verified | None":
    if name is None and organization is None:
        return None
    if name is None or organization is None:
        raise InputError(
            "a verified report names a person and an organization",
            value=name or organization,
            remedy="Give both --verified-by Family^Given and --organization",
        )
    from radmark.io.dicom_sr import Verified

    return Verified(name, organization)
