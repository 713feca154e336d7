"""`radmark convert`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import parse_spacing

_Format = Literal[
    "csv", "long", "json", "txt", "coco", "cvat", "cvat-skeleton", "label-studio", "labelme", "slicer", "tps", "isbi"
]


@dataclass(frozen=True)
class Convert:
    """Annotations from one format into another. What the new one cannot hold is said, with counts, on the error stream.

    Exit code 1 if --strict stopped it. docs/formats.md says what each format means by a coordinate and what it can hold.
    """

    source: Annotated[Positional[Path], arg(metavar="IN")]
    """The annotations: a file or, where a format has a file an image, a folder."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file, or folder, to write."""

    from_: Annotated[_Format | None, arg(name="from")] = None
    """Format of IN; by default told by its content."""

    to: _Format | None = None
    """Format of OUT; by default told by its suffix: .csv, .json (radmark's own), .xml (CVAT), .tps, .txt, .mrk.json."""

    images: Path | None = None
    """Folder of the images, for formats that do not state sizes. Where they do, the sizes are checked."""

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
        from radmark.io.annotations import losses_of

        readings = read_annotations(
            self.source,
            self.from_,
            Context(
                scheme=None if self.scheme is None else read_scheme(self.scheme),
                images=self.images,
                spacing=parse_spacing(self.spacing_mm),
                absent_corner_px=self.absent_corner_px,
            ),
        )
        if self.reader is not None:
            named = any(reader is not None for reader in readings.readers)
            readings = readings.of_reader(self.reader) if named else readings.named(self.reader)
        lost = (*readings.lost, *losses_of(self.out, readings, self.to))
        if lost and self.strict:
            for loss in lost:
                err.print(f"would be lost: {loss}", markup=False)
            err.print("Nothing is written: --strict.")
            return 1
        write_annotations(self.out, readings, self.to, overwrite=self.overwrite)
        for loss in lost:
            err.print(f"lost: {loss}", markup=False)
        out.print(
            f"{len(readings.images)} images, {len(readings.readings)} readings, {len(readings.scheme)} landmarks, in {self.out}"
        )
        return 0
