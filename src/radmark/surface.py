"""What `import radmark` gives: the whole product in a few functions. The command line calls the same ones."""

import dataclasses
import difflib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radmark.config import Config, from_tree, read_recipe, to_tree
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.scheme import Scheme
from radmark.core.study import Loss, Study
from radmark.io import Context, open_film, read_annotations, read_by, read_scheme, write_annotations

if TYPE_CHECKING:
    from radmark.evaluation.run import Evaluation
    from radmark.exported import ExportedPredictor
    from radmark.infer.predictor import Predictor
    from radmark.training.loop import Watch


def read(
    path: Path | str,
    *,
    name: str | None = None,
    spacing_mm: float | tuple[float, float] | None = None,
    frame: int | None = None,
    **facts: str | float,
) -> Film:
    """A film from its file: DICOM, PNG, JPEG or TIFF. The header is read now, the pixels when they are asked for.

    Args:
        path: of the file.
        name: of the film; by default the file's.
        spacing_mm: millimetres per pixel, one number or (x, y). They win over a header's.
        frame: of a DICOM file of several, which one, from 1.
        facts: what you know of the film: side, display, operated, patient, date, head_mm, ball_mm, known_mm, magnification,
            pelvic_tilt_deg, cone_beam. They win over the header's; a contradiction is one of the film's findings.

    Raises:
        InputError: the file cannot be used, or a value is none of that fact.
    """
    spacing = None if spacing_mm is None else _spacing(spacing_mm)
    return open_film(path, name=name, spacing=spacing, frame=frame).stated(**facts)


def load(where: Path | str, *, absent_below: float = 0.0, device: str = "cpu") -> "Predictor | ExportedPredictor":
    """A trained model, ready: call it with a film, a path or an array.

    Args:
        where: the folder of a run, an exported file (.onnx, .xml), or an address that `radmark registry push` was given.
        absent_below: confidence under which a landmark is stated absent.
        device: where torch runs it, such as "cuda".

    Raises:
        InputError: there is no usable model.
    """
    from radmark.exported import ExportedPredictor, is_exported

    if "://" in str(where):
        return _fetched(str(where), absent_below, device)
    path = Path(where)
    if is_exported(path):
        return ExportedPredictor.load(path, absent_below=absent_below)
    from radmark.infer.predictor import Predictor

    return Predictor.load(path, device=device, absent_below=absent_below)


def read_study(
    path: Path | str,
    *,
    films: Path | str | None = None,
    scheme: Scheme | str | None = None,
    reader: str | None = None,
    spacing_mm: float | tuple[float, float] | None = None,
    format: str | None = None,  # noqa: A002 - the option's word
) -> Study:
    """Annotations of any format that `radmark convert` reads, as a study.

    Args:
        path: of the file, or of a folder of files.
        films: the folder of the films: sizes, headers and pixels are then at hand, as training and evaluation need them.
        scheme: the landmarks to take; a shipped scheme's name or a TOML file.
        reader: whose readings, where there are several readers.
        spacing_mm: millimetres per pixel of all films. They win over the file's.
        format: by default told by the file's content.

    Raises:
        InputError: the file cannot be read, or a film is missing.
    """
    context = Context(
        scheme=read_scheme(scheme) if isinstance(scheme, str) else scheme,
        films=None if films is None else Path(films),
        spacing=None if spacing_mm is None else _spacing(spacing_mm),
    )
    study = read_annotations(Path(path), format, context=context)
    return study if reader is None else read_by(study, reader)


def write_study(
    study: Study,
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    overwrite: bool = False,
) -> tuple[Loss, ...]:
    """Write a study in any format that `radmark convert` writes; what the format has no place for is returned.

    Raises:
        InputError: the file is there already, or the format cannot hold the study at all.
    """
    return write_annotations(Path(path), study, format, overwrite=overwrite)


def train(
    study: Study,
    recipe: str | Path | Config = "cpu",
    out: Path | str = "run",
    *,
    resume: bool = False,
    overwrite: bool = False,
    watch: "Watch | None" = None,
    **settings: Any,
) -> "Predictor":
    """Train a model and leave it in `out`: what `radmark train` does.

    Args:
        study: one reading per film, films at hand (`read_study(..., films=...)`).
        recipe: a shipped recipe's name, a TOML file, or a whole config.
        out: the run's folder.
        resume: go on with an interrupted run.
        overwrite: replace what is in `out`.
        watch: told how it goes.
        settings: changes to the recipe by their flags' names: epochs=40, learning_rate=1e-3.

    Raises:
        InputError: something about study, settings or folder makes training impossible or dishonest.
    """
    config = recipe if isinstance(recipe, Config) else read_recipe(str(recipe))
    config = _changed(config, settings)
    from radmark.infer.predictor import Predictor
    from radmark.training.loop import train as run

    run(study.training_set(), config, Path(out), watch, resume=resume, overwrite=overwrite)
    return Predictor.load(Path(out))


def evaluate(model: "Predictor | Path | str", study: Study, *, out: Path | str | None = None) -> "Evaluation":
    """Score a model against a study: what `radmark evaluate` does.

    Args:
        model: a trained model, or its folder.
        study: one reading per film, films at hand.
        out: folder of the report; None: no report.

    Returns:
        metrics, errors point by point, the model's marks, and warnings such as films it was trained on.

    Raises:
        InputError: the study's landmarks are not the model's, a film cannot be read, or the folder holds something else.
    """
    from radmark.evaluation.run import evaluate as run
    from radmark.infer.predictor import Predictor

    predictor = Predictor.load(Path(model)) if isinstance(model, Path | str) else model
    return run(predictor, study.training_set(), out=None if out is None else Path(out))


def _spacing(mm: float | tuple[float, float]) -> Spacing:
    x, y = mm if isinstance(mm, tuple) else (mm, mm)
    return Spacing(float(x), float(y), SpacingSource.FLAG)


def _fetched(address: str, absent_below: float, device: str) -> "Predictor":
    from radmark.infer.predictor import Predictor
    from radmark.registry import fetch

    with tempfile.TemporaryDirectory(prefix="radmark-") as folder:
        run = Path(folder) / "run"
        fetch(address, run)
        return Predictor.load(run, device=device, absent_below=absent_below)


def _changed(config: Config, settings: dict[str, Any]) -> Config:
    tree = to_tree(config)
    home = {f.name: s.name for s in dataclasses.fields(Config) for f in dataclasses.fields(s.type)}  # pyright: ignore[reportArgumentType]
    for name, value in settings.items():
        if name not in home:
            near = difflib.get_close_matches(name, home, 1)
            raise InputError(
                "there is no such setting",
                value=name,
                remedy=f"Did you mean {near[0]}?" if near else "`radmark train --help` lists them",
            )
        tree.setdefault(home[name], {})[name] = value
    return from_tree(tree, "the settings given")
