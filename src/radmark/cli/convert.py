"""`radmark convert`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from radmark.cli.common import parse_spacing


@dataclass(frozen=True)
class Convert:
    """Annotations from one format into another. What the new one cannot hold is reported, with counts, on the error stream.

    Exit code 1 if --strict stopped it. docs/formats.md says what each format means by a coordinate and what it can hold.
    """

    source: Annotated[Positional[Path], arg(metavar="IN")]
    """The annotations: a file or, for a format with one file per film, a folder."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file, or folder, to write."""

    from_: Annotated[str | None, arg(name="from", metavar="FORMAT")] = None
    """Format of IN, such as csv, long, json, coco, cvat (docs/formats.md has them all); by default recognised by its content."""

    to: Annotated[str | None, arg(metavar="FORMAT")] = None
    """Format of OUT; by default its suffix says it: .csv, .json (radmark's own), .xml (CVAT), .tps, .txt, .mrk.json."""

    films: Annotated[Path | None, arg(aliases=["--images", "--images-of"])] = None
    """Folder of the films, for formats that do not state sizes, and for the millimetres of DICOM films. Sizes are checked."""

    scheme: str | None = None
    """A shipped scheme's name or a TOML file: names for formats that have none, else the landmarks to keep, in order."""

    reader: str | None = None
    """Whose readings to take where IN names its readers; else the name of who read it all."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over IN."""

    absent_corner_px: float | None = None
    """Of .csv and .txt: read a point less than this many pixels from both the left and the top edge as "absent"."""

    strict: bool = False
    """Write nothing if anything would be lost."""

    overwrite: bool = False
    """Replace OUT."""

    def run(self) -> int:
        """Read, say what would be lost, write."""
        from radmark.console import err, out
        from radmark.io import Context, read_annotations, read_scheme, write_annotations
        from radmark.io.annotations import losses_of, read_by

        study = read_annotations(
            self.source,
            self.from_,
            Context(
                scheme=None if self.scheme is None else read_scheme(self.scheme),
                films=self.films,
                spacing=parse_spacing(self.spacing_mm),
                absent_corner_px=self.absent_corner_px,
            ),
        )
        if self.reader is not None:
            study = read_by(study, self.reader)
        lost = (*study.lost, *losses_of(self.out, study, self.to))
        if lost and self.strict:
            for loss in lost:
                err.print(f"would be lost: {loss}", markup=False)
            err.print("Nothing is written: --strict.")
            return 1
        write_annotations(self.out, study, self.to, overwrite=self.overwrite)
        for loss in lost:
            err.print(f"lost: {loss}", markup=False)
        out.print(
            f"{len(study.names)} films, {len(study)} readings, {len(study.scheme)} landmarks, in {self.out}",
            markup=False,
        )
        return 0
