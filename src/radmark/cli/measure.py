"""`radmark measure`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import parse_spacing
from radmark.core.errors import InputError


@dataclass(frozen=True)
class Measure:
    """Leg length, offset, cup, hip and knee angles from landmarks, with their uncertainty and what their millimetres rest on."""

    points: Annotated[Positional[Path], arg(metavar="POINTS")]
    """CSV of annotations or predictions."""

    out: Path
    """The file to write: .csv, one row a measurement, or .json."""

    images: Path | None = None
    """Folder of the images the table names; by default the table's own."""

    scheme: str | None = None
    """Landmarks to take from the table: a shipped scheme's name or a TOML file."""

    side: Literal["left", "right"] | None = None
    """The patient's side, for films of one side."""

    display: Literal["standard", "mirrored", "unknown"] = "unknown"
    """Whether the patient's right is on the left of the picture (standard) or on its right; if nobody says, standard is assumed
    and every result says so."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over the table and the files."""

    known_mm: str | None = None
    """A calibration: two landmarks whose true distance is known, NAME,NAME,MM. Wins over --spacing-mm."""

    sd_px: float | None = None
    """Standard deviation of every point along x and along y, in pixels of the image."""

    sd_from: Path | None = None
    """metrics.json of `radmark evaluate`: each landmark's own, from its mean radial error."""

    format: Literal["csv", "json"] | None = None
    """Of --out; by default told by its suffix."""

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Measure and write."""
        from radmark.console import out
        from radmark.io import read_dataset, read_scheme
        from radmark.io.atomic import claim_file
        from radmark.io.measurements import write_measurements_csv, write_measurements_json
        from radmark.measure import measure
        from radmark.measure.calibrate import known_distance, sd_of_metrics

        write = {"csv": write_measurements_csv, "json": write_measurements_json}
        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix not in write:
            raise InputError(
                "the format to write is not known",
                file=self.out,
                value=suffix,
                remedy="End --out in .csv or .json, or give --format",
            )
        claim_file(self.out, overwrite=self.overwrite)
        dataset = read_dataset(
            self.points,
            self.images or self.points.parent,
            scheme=None if self.scheme is None else read_scheme(self.scheme),
            spacing=parse_spacing(self.spacing_mm),
        )
        sds = self.sd_px if self.sd_from is None else sd_of_metrics(self.sd_from)
        results: dict[str, Sequence[Any]] = {}
        for case in dataset.cases:
            landmarks = case.landmarks if self.known_mm is None else known_distance(case.landmarks, self.known_mm)
            results[case.name] = measure(landmarks, sd_px=sds, side=self.side, display=self.display)
        if not any(results.values()):
            raise InputError(
                f"no measurement is known for landmarks such as {', '.join(dataset.scheme.names[:3])}",
                file=self.points,
                remedy="Name the landmarks as docs/measurements.md does",
            )
        write[suffix](self.out, results)
        computed = sum(r.value is not None for of_film in results.values() for r in of_film)
        total = sum(map(len, results.values()))
        out.print(f"{computed} of {total} measurements on {len(results)} radiographs computed, in {self.out}")
        return 0
