"""What several commands share."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from tyro.conf import Positional, arg

from radmark.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from radmark.core.film import Film
    from radmark.core.frame import Spacing
    from radmark.core.study import Study
    from radmark.exported import ExportedPredictor
    from radmark.infer.predictor import Predictor
    from radmark.io import TableOptions
    from radmark.measure.cup import Definition
    from radmark.measure.entry import Measure
    from radmark.measure.measure import Reference
    from radmark.measure.scatter import SdPx

    class ExamineOptions(TypedDict):
        """Options of `measure.examine`."""

        measures: Sequence[Measure]
        sd_px: SdPx | None
        reference: Reference
        cup_definition: Definition
        scale_sd_percent: float | None


FilmsFolder = Annotated[Path | None, arg(aliases=["--images", "--images-of"])]
"""The folder of the films that a file of annotations names: the same option in every command."""


@dataclass(frozen=True)
class Annotations:
    """The annotated films."""

    annotations: Annotated[Positional[Path], arg(metavar="ANNOTATIONS")]
    """CSV with image_name,image_width,image_height,n_landmarks,<name>_x,<name>_y,…"""

    films: FilmsFolder = None
    """Folder of the films; by default that of the annotations."""

    scheme: str | None = None
    """A shipped scheme's name or a TOML file; by default it is told from the columns."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over columns and file."""

    spacing_file: Path | None = None
    """CSV with image_name,spacing_x_mm,spacing_y_mm."""

    absent_corner_px: float | None = None
    """Read a point less than this many pixels from both the left and the top edge as "absent", a habit of some annotators."""

    reader: str | None = None
    """Whose reading to use where the annotations hold several."""

    @property
    def folder(self) -> Path:
        """Where the films are."""
        return self.annotations.parent if self.films is None else self.films

    def study(self) -> "Study":
        """The marked films.

        Raises:
            InputError: the first error of the table.
        """
        from radmark.io import read_dataset

        return read_dataset(self.annotations, self.folder, **self.options())

    def options(self) -> "TableOptions":
        """The flags as `read_dataset` and `check_dataset` take them."""
        from radmark.io import read_scheme

        return {
            "scheme": None if self.scheme is None else read_scheme(self.scheme),
            "spacing": parse_spacing(self.spacing_mm),
            "spacing_file": self.spacing_file,
            "absent_corner_px": self.absent_corner_px,
            "reader": self.reader,
        }


@dataclass(frozen=True)
class FilmFacts:
    """What you know of the films; it goes before what their table and their own files say."""

    side: Literal["left", "right"] | None = None
    """The patient's side, for films of one side; by default what the table or a DICOM file says."""

    display: Literal["standard", "mirrored", "unknown"] | None = None
    """Whether the patient's right is on the left of the picture (standard) or on its right; by default what the table or a DICOM
    file says. If nobody says, standard is assumed and every result says so."""

    operated: Literal["left", "right"] | None = None
    """The patient's operated side: leg length, offsets and hip centre are reported as operated minus contralateral, too."""

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

    pelvic_tilt_deg: float | None = None
    """The pelvis' posterior tilt on the film, negative forwards: the cup's angles are reported for a pelvis without it, too."""

    cone_beam: str | None = None
    """SID,HEIGHT,LATERAL,UP in millimetres: source to detector, and where the cup is: above the detector, lateral of and above
    the central ray. The cup's angles are reported as parallel rays would show them, too."""

    def of(self, film: "Film") -> "Film":
        """A film with these facts, as the user's word.

        Raises:
            InputError: a value is none of its fact.
        """
        spacing = parse_spacing(self.spacing_mm)
        told = film.stated(**{name: value for name, value in vars(self).items() if name != "spacing_mm"})
        return told if spacing is None else replace(told, spacing=spacing)


@dataclass(frozen=True)
class Marked:
    """Marks that exist already, the films they are on, and what is known of those."""

    points: Annotated[Positional[Path], arg(metavar="POINTS")]
    """Annotations or predictions, in any format that `radmark convert` reads."""

    films: FilmsFolder = None
    """Folder of the films, for what their headers say; by default that of POINTS. Where POINTS states a film's size and spacing,
    numbers do without the film itself; pictures and DICOM objects need it."""

    from_: Annotated[str | None, arg(name="from", metavar="FORMAT")] = None
    """Format of POINTS, as for `radmark convert`; by default recognised by its content."""

    scheme: str | None = None
    """Landmarks to take from POINTS: a shipped scheme's name or a TOML file."""

    reader: str | None = None
    """Whose marks to take where POINTS holds several readers'."""

    facts: FilmFacts = field(default_factory=FilmFacts)

    @property
    def folder(self) -> Path:
        """Where the films are."""
        return self.films or (self.points if self.points.is_dir() else self.points.parent)

    def study(self) -> "Study":
        """One reading per film.

        Raises:
            InputError: there are several, and nobody said whose.
        """
        from radmark.io import Context, read_annotations, read_scheme
        from radmark.io.annotations import read_by

        context = Context(
            scheme=None if self.scheme is None else read_scheme(self.scheme),
            spacing=parse_spacing(self.facts.spacing_mm),
        )
        try:
            study = read_annotations(self.points, self.from_, context)
        except InputError:  # some formats mean nothing without the films, such as TPS, which counts from the lower edge
            study = read_annotations(self.points, self.from_, replace(context, films=self.folder))
        study = study if self.reader is None else read_by(study, self.reader)
        if len(study.rows) > len(study.names):
            whose = "; ".join(sorted(str(author) for author in study.authors if author is not None))
            raise InputError(
                "a film has several readings, and one is needed",
                file=self.points,
                remedy=f"Say whose with --reader: {whose}",
            )
        return study

    def film(self, film: "Film", frame: int | None = None) -> "Film":
        """A film of the study with what its file says, where it is at hand, and with what the user says.

        Args:
            film: of the study.
            frame: of DICOM files of several frames, which one was marked, from 1.

        Raises:
            InputError: the file is of another size, cannot be used, or several could be meant.
        """
        from radmark.io import of_frame

        return self.facts.of(of_frame(self._with_file(film), frame))

    def _with_file(self, film: "Film") -> "Film":
        from radmark.core.finding import check
        from radmark.io import with_file
        from radmark.io.exchange import NoSuchFilmError, find_film

        if film.path is not None:
            return film
        try:
            path = find_film(self.folder, film.name)
        except NoSuchFilmError:
            if film.size is None:
                raise
            if self.films is None:
                return film
            words = "the film's file is not in the folder of the films: only what the table says of it was used"
            return replace(film, notes=(*film.notes, check("file_missing", words, "pixels")))
        return with_file(film, path)


@dataclass(frozen=True)
class Measuring:
    """How marks are measured; the same for `radmark measure` and `radmark report`."""

    scale_sd_percent: float | None = None
    """Scale uncertainty, 1 SD in per cent, as it is written beside every length; by default what follows from the points of
    the calibration, else 2.5. It is not added to the sd."""

    sd_px: float | None = None
    """Standard deviation of every point along x and along y, in pixels of the image."""

    sd_from: Path | None = None
    """errors.csv of `radmark evaluate`: how landmarks scatter, along, across and together; or its metrics.json: a number each."""

    pelvic_reference: Literal["inter-teardrop", "bi-ischial", "image-horizontal"] = "inter-teardrop"
    """The pelvis' line, for films that lack a teardrop; every result says which it was."""

    cup_definition: Literal["radiographic", "anatomic", "operative"] = "radiographic"
    """Murray's definition of the cup's angles, in rows of their own."""

    define: Path | None = None
    """A TOML file of your own measurements; docs/measurements.md shows one."""

    def options(self) -> "ExamineOptions":
        """As `measure.examine` takes them.

        Raises:
            InputError: a file that is named cannot be used.
        """
        from radmark.measure.define import read_measures
        from radmark.measure.scatter import scatter_of

        return {
            "measures": () if self.define is None else read_measures(self.define),
            "sd_px": self.sd_px if self.sd_from is None else scatter_of(self.sd_from),
            "reference": self.pelvic_reference,
            "cup_definition": self.cup_definition,
            "scale_sd_percent": self.scale_sd_percent,
        }


def parse_spacing(text: str | None) -> "Spacing | None":
    """What --spacing-mm says.

    Raises:
        InputError: neither one nor two positive numbers.
    """
    from radmark.core.frame import Spacing, SpacingSource

    return None if text is None else Spacing.parse(text, SpacingSource.FLAG)


def need_torch() -> None:
    """Refuse in words where torch is missing.

    Raises:
        InputError: it is.
    """
    try:
        import torch as torch
    except ModuleNotFoundError as error:
        raise InputError(
            "training and prediction need PyTorch, which is not installed",
            remedy='Install it with: pip install "radmark[train]"; an exported model (.onnx) predicts without it',
        ) from error


def open_model(
    run: Path, absent_below: float = 0.0, *, threads: int | None = None, at_once: int = 1
) -> "Predictor | ExportedPredictor":
    """The model of a run's folder or of an exported file.

    Args:
        run: folder or file.
        absent_below: confidence under which a landmark is stated absent.
        threads: how many the network may use for a film; None: as many as it likes.
        at_once: how many films it will be asked for at the same time, with one thread each if there are several.
    """
    from radmark.exported import ExportedPredictor, is_exported

    if is_exported(run):
        each = threads if at_once == 1 else 1
        return ExportedPredictor.load(run, absent_below=absent_below, threads=each, at_once=at_once)
    predictor = load_predictor(run, absent_below)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return predictor


def load_predictor(run: Path, absent_below: float = 0.0) -> "Predictor":
    """The model of a run's folder."""
    from radmark.exported import is_exported

    if is_exported(run):
        raise InputError(
            "an exported model does not say which films it was trained on", file=run, remedy="Give the run's folder"
        )
    need_torch()
    from radmark.infer import Predictor

    return Predictor.load(run, absent_below=absent_below)


def model_sha256(run: Path) -> str:
    """Of a run's model file, or of the file itself where that is given: which model it was, whatever it is called later.

    Raises:
        InputError: there is no such file.
    """
    from radmark.io.files import file_sha256

    file = run / "model.safetensors" if run.is_dir() or not run.suffix else run
    if not file.is_file():
        raise InputError(
            "there is no trained model here", file=file, remedy="Give the --out folder of a `radmark train` that ran"
        )
    return file_sha256(file)
