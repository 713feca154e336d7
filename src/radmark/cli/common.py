"""What several commands share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.dataset import Case
    from radmark.core.frame import Spacing
    from radmark.core.radiograph import Radiograph
    from radmark.exported import ExportedPredictor
    from radmark.infer.predictor import Predictor
    from radmark.io import TableOptions


@dataclass(frozen=True)
class Annotations:
    """The annotated radiographs."""

    annotations: Annotated[Positional[Path], arg(metavar="ANNOTATIONS")]
    """CSV with image_name,image_width,image_height,n_landmarks,<name>_x,<name>_y,…"""

    images: Path
    """Folder of the radiographs: PNG, JPEG or TIFF."""

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


def parse_spacing(text: str | None) -> "Spacing | None":
    """ "0.143" or "0.143,0.144" (x, y) in millimetres.

    Raises:
        InputError: neither one nor two positive numbers.
    """
    if text is None:
        return None
    from radmark.core.frame import Spacing, SpacingSource

    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise InputError(
            "--spacing-mm is neither one number of millimetres nor two",
            value=text,
            remedy="Give V or X,Y with a decimal point, such as 0.143 or 0.143,0.144",
        )
    return Spacing(values[0], values[-1], SpacingSource.FLAG)


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
) -> "tuple[Predictor | ExportedPredictor, Callable[[], str]]":
    """The model of a run's folder or of an exported file, and what tells its name and the beginning of its sha256.

    Args:
        run: folder or file.
        absent_below: confidence under which a landmark is stated absent.
        threads: how many the network may use for an image; None: as many as it likes.
        at_once: how many images it will be asked for at the same time, with one thread each if there are several.
    """
    from radmark.exported import ExportedPredictor, is_exported

    if is_exported(run):
        each = threads if at_once == 1 else 1
        exported = ExportedPredictor.load(run, absent_below=absent_below, threads=each, at_once=at_once)
        return exported, lambda: exported.facts.model_name
    predictor = load_predictor(run, absent_below)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from radmark.checkpoint import model_name

    return predictor, lambda: model_name(run)


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


def read_case(case: "Case") -> "Radiograph":
    """The radiograph of a case, with the spacing its table states."""
    from radmark.io import read_image

    return read_image(case.image, case.landmarks.frame.spacing)
