"""`radmark measure`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.measure.cup import ConeBeam


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
    """The patient's side, for films of one side; by default what a DICOM file says."""

    display: Literal["standard", "mirrored", "unknown"] | None = None
    """Whether the patient's right is on the left of the picture (standard) or on its right; by default what a DICOM file says. If
    nobody says, standard is assumed and every result says so."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over the table and the files."""

    known_mm: str | None = None
    """A calibration: two landmarks whose true distance is known, NAME,NAME,MM. Wins over --spacing-mm."""

    head_mm: str | None = None
    """A calibration by a prosthetic head's true diameter: MM, for landmarks called head_rim_…, or NAME,NAME,NAME,…,MM on its
    outline (two: the ends of a diameter). Wins over --spacing-mm."""

    ball_mm: str | None = None
    """A calibration by a marker ball's true diameter: NAME,NAME,NAME,…,MM on its outline (two: the ends of a diameter)."""

    magnification: float | None = None
    """How much larger than in the patient the anatomy is on the detector, such as 1.15: the spacing is then taken to be the
    detector's. Not used on a film whose header is calibrated."""

    scale_sd_percent: float | None = None
    """How sure the millimetres are, in per cent, as it is written beside every length; by default what follows from the points of
    the calibration, else 2.5. It is not added to the sd."""

    sd_px: float | None = None
    """Standard deviation of every point along x and along y, in pixels of the image."""

    sd_from: Path | None = None
    """errors.csv of `radmark evaluate`: how landmarks scatter, along, across and together; or its metrics.json: a number each."""

    operated: Literal["left", "right"] | None = None
    """The patient's operated side: leg length, offsets and hip centre are told as operated minus contralateral, too."""

    pelvic_reference: Literal["inter-teardrop", "bi-ischial", "image-horizontal"] = "inter-teardrop"
    """The pelvis' line, for films that lack a teardrop; every result says which it was."""

    cup_definition: Literal["radiographic", "anatomic", "operative"] = "radiographic"
    """Murray's definition of the cup's angles, in rows of their own."""

    pelvic_tilt_deg: float = 0.0
    """The pelvis' posterior tilt on the film, negative forwards: the cup's angles are told for a pelvis without it, too."""

    cone_beam: str | None = None
    """SID,HEIGHT,LATERAL,UP in millimetres: source to detector, and where the cup is: above the detector, lateral of and above
    the central ray. The cup's angles are told as parallel rays would show them, too."""

    define: Path | None = None
    """A TOML file of your own measurements; docs/measurements.md shows one."""

    format: Literal["csv", "json"] | None = None
    """Of --out; by default told by its suffix."""

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Measure and write."""
        from radmark.console import out
        from radmark.io import read_dataset, read_header, read_scheme
        from radmark.io.atomic import claim_file
        from radmark.io.measurements import write_measurements_csv, write_measurements_json
        from radmark.measure import MEASURES
        from radmark.measure.calibrate import calibrate, set_aside
        from radmark.measure.cup import otherwise
        from radmark.measure.define import read_measures
        from radmark.measure.film import measure_film
        from radmark.measure.hip import against_other_side
        from radmark.measure.measure import SCALE_SD_PERCENT
        from radmark.measure.scatter import scatter_of

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
        sds = self.sd_px if self.sd_from is None else scatter_of(self.sd_from)
        measures = (
            *MEASURES,
            *otherwise(self.cup_definition, self.pelvic_tilt_deg, _cone(self.cone_beam)),
            *(() if self.operated is None else against_other_side(self.operated)),
            *(() if self.define is None else read_measures(self.define)),
        )
        results: dict[str, Sequence[Any]] = {}
        for case in dataset.cases:
            try:
                film = calibrate(
                    case.landmarks,
                    known_mm=self.known_mm,
                    head_mm=self.head_mm,
                    ball_mm=self.ball_mm,
                    magnification=self.magnification,
                    sd_px=sds,
                )
            except InputError as error:
                raise error.at(file=error.file or case.name) from error
            header = read_header(case.image)
            replaced = set_aside(header and header.spacing, film.landmarks.frame.spacing)
            results[case.name] = measure_film(
                film.landmarks,
                header,
                sd_px=sds,
                side=self.side,
                display=self.display,
                measures=measures,
                reference=self.pelvic_reference,
                scale_sd_percent=self._scale_sd_percent(film.sd_percent or SCALE_SD_PERCENT),
                mm_flags=tuple(dict.fromkeys((*film.flags, *replaced))),
            )
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

    def _scale_sd_percent(self, known: float) -> float:
        told = known if self.scale_sd_percent is None else self.scale_sd_percent
        if not 0 <= told <= 100:
            raise InputError("--scale-sd-percent is no share", value=told, remedy="Give per cent, such as 2.5")
        return told


def _cone(text: str | None) -> "ConeBeam | None":
    """ "1150,100,90,0" in millimetres.

    Raises:
        InputError: it is not four numbers, or no cup can stand there.
    """
    from radmark.measure.cup import ConeBeam

    if text is None:
        return None
    try:
        source, height, lateral, up = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            "--cone-beam is not four numbers of millimetres", value=text, remedy="Give SID,HEIGHT,LATERAL,UP"
        ) from None
    return ConeBeam(source, height, lateral, up)
