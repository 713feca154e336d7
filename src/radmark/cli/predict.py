"""`radmark predict`."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import load_predictor, model_sha256, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.detector import Detector
    from radmark.core.frame import Spacing
    from radmark.core.landmarks import Landmarks
    from radmark.core.prediction import Prediction
    from radmark.core.radiograph import Radiograph
    from radmark.io.dicom_sr import Reported


@dataclass(frozen=True)
class Predict:
    """Find the landmarks of radiographs and write them to one file, in pixels of each image file."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES...")]
    """Image files, folders of them, or an annotation CSV whose images are meant (with --images-of)."""

    out: Path
    """The file to write: .csv, with the columns of ANNOTATIONS and <name>_confidence, .json, or, for a DICOM image, .dcm: a
    Structured Report for the archive it came from. Reports of several images: a folder, and --format dcm. .parquet, for an
    archive of images: a batch, see --engine."""

    format: Literal["csv", "json", "dcm", "parquet"] | None = None
    """Of --out; by default told by its suffix."""

    frame: int | None = None
    """Of DICOM files of several frames, which one, from 1."""

    images_of: Path | None = None
    """Folder of the images an annotation CSV names."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y; written along."""

    absent_below: float = 0.0
    """State a landmark absent where the model's confidence is less than this."""

    skip_bad: bool = False
    """Leave out images that cannot be read, say which, and go on. By default nothing is written then."""

    overwrite: bool = False
    """Replace --out."""

    engine: Literal["local", "ray"] | None = None
    """Makes it a batch, as .parquet does: a killed one goes on with the same command, and bad images are listed with their
    reason. local: this process and its threads. ray: many processes, on this machine or a cluster."""

    workers: int | None = None
    """Threads that read images, on Ray processes. By default one for each processor."""

    address: str | None = None
    """Of the Ray cluster; by default one is started on this machine."""

    def run(self) -> int:
        """Predict and write."""
        from radmark.batch.pipeline import Job, predict_each
        from radmark.console import err, out
        from radmark.io import IMAGE_SUFFIXES, write_predictions_csv, write_predictions_json

        write = {"csv": write_predictions_csv, "json": write_predictions_json}
        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix == "parquet" or self.engine is not None:
            return self._batch(suffix)
        if suffix not in (*write, "dcm"):
            raise InputError(
                "the format to write is not known",
                file=self.out,
                value=suffix,
                remedy=f"End --out in {', '.join('.' + name for name in write)} or .dcm, or give --format",
            )
        spacing = parse_spacing(self.spacing_mm)
        files = _image_files(self.images, self.images_of, IMAGE_SUFFIXES)
        outs = self._outs(list(files), suffix)
        predictor = load_predictor(self.run_folder, self.absent_below)
        predictions: list[Prediction] = []
        jobs = [Job(name, path, spacing or own) for name, (path, own) in files.items()]
        with closing(
            predict_each(jobs, predictor, frame=self.frame, workers=self.workers, keep=suffix == "dcm")
        ) as each:
            for outcome in each:
                try:
                    predictions.append(outcome.found())
                    if suffix == "dcm" and outcome.radiograph is not None:
                        name, path = outcome.job.name, outcome.job.path
                        self._report(outs[name], path, outcome.radiograph, predictions[-1])
                except InputError as error:
                    if not self.skip_bad:
                        raise
                    err.print(f"left out: {error}")
        if not predictions:
            raise InputError("no image could be read", remedy="Give radiographs as DICOM, PNG, JPEG or TIFF")
        if suffix in write:
            write[suffix](self.out, predictions)
        out.print(f"{len(predictions)} radiographs, {len(predictor.scheme)} landmarks each, in {self.out}")
        return 0

    def _batch(self, suffix: str) -> int:
        """A job that can be killed and goes on, over as many images as there are."""
        from radmark.batch.pipeline import Job
        from radmark.batch.results import WRITERS
        from radmark.batch.run import Engine, run_batch
        from radmark.console import BatchProgress, out
        from radmark.io import IMAGE_SUFFIXES

        if suffix not in WRITERS:
            raise InputError(
                "a batch does not write this format",
                file=self.out,
                value=suffix,
                remedy=f"End --out in {', '.join('.' + name for name in WRITERS)}, or leave --engine away",
            )
        spacing = parse_spacing(self.spacing_mm)
        files = _image_files(self.images, self.images_of, IMAGE_SUFFIXES)
        ended = run_batch(
            [Job(_printable(name), path, spacing or own) for name, (path, own) in files.items()],
            partial(_load, self.run_folder.absolute(), self.absent_below, alone=self.engine != "ray"),
            self.out,
            model=model_sha256(self.run_folder),
            suffix=suffix,
            settings={"spacing_mm": self.spacing_mm, "absent_below": self.absent_below},
            frame=self.frame,
            engine=Engine(self.engine or "local", self.workers, self.address),
            overwrite=self.overwrite,
            watch=BatchProgress(),
        )
        before = f", {ended.resumed} of them done before" if ended.resumed else ""
        out.print(f"{ended.images} radiographs{before}, {ended.bad} of them bad, in {self.out}")
        return 0

    def _outs(self, names: Sequence[str], suffix: str) -> dict[str, Path]:
        """The file each image's result goes to, none of which is somebody's already."""
        from radmark.io.atomic import claim_file

        outs = dict.fromkeys(names, self.out)
        if suffix == "dcm" and self.out.suffix.lower() != ".dcm":
            outs = {name: self.out / f"{name.replace('/', '_')}.sr.dcm" for name in names}
        elif suffix == "dcm" and len(names) > 1:
            raise InputError(
                f"a DICOM report is of one image, and {len(names)} are given",
                file=self.out,
                remedy="Give a folder as --out, and --format dcm",
            )
        for file in set(outs.values()):
            claim_file(file, overwrite=self.overwrite)
        return outs

    def _report(self, to: Path, image: Path, radiograph: "Radiograph", prediction: "Prediction") -> None:
        from radmark.checkpoint import model_name
        from radmark.io.dicom_sr import write_dicom_sr

        write_dicom_sr(
            to,
            image,
            prediction,
            model=model_name(self.run_folder),
            measurements=_reported(prediction.landmarks, radiograph),
            frame_number=self.frame,
        )


def _printable(name: str) -> str:
    """A file's name as text, also where its bytes are none: a result of thousands must not fail at one."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _load(run: Path, absent_below: float, alone: bool) -> "Detector":
    """The model; with one thread for the network where it is not alone on its machine."""
    predictor = load_predictor(run, absent_below)
    if not alone:
        import torch

        torch.set_num_threads(1)
    return predictor


def _reported(landmarks: "Landmarks", radiograph: "Radiograph") -> "list[Reported]":
    """What can be measured on a film, as its DICOM report holds it: each with its points as one line."""
    import numpy as np

    from radmark.io.dicom_sr import Reported
    from radmark.measure import measure

    flags = radiograph.flags
    display = "mirrored" if "mirrored_display" in flags else "unknown" if "orientation_unknown" in flags else "standard"
    side = "left" if radiograph.side == "left" else "right" if radiograph.side == "right" else None
    reported: list[Reported] = []
    for r in measure(landmarks, side=side, display=display):
        if r.value is not None:
            notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
            notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
            notes += () if r.side is None else (f"side: {r.side}",)
            points = np.array([landmarks[name] for name in r.points])
            own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
            reported.append(Reported(r.title, r.value, r.unit, "POLYLINE", points, r.side, own, notes))
    return reported


def _image_files(
    given: Sequence[Path], images_of: Path | None, suffixes: Sequence[str]
) -> "dict[str, tuple[Path, Spacing | None]]":
    """Name -> file and the spacing stated for it, in the order given, folders by name.

    Raises:
        InputError: nothing there, or two files of one name (their rows could not be told apart).
    """
    from radmark.io import read_dataset
    from radmark.io.dicom import is_dicom

    files: dict[str, tuple[Path, Spacing | None]] = {}

    def add(name: str, path: Path, spacing: "Spacing | None" = None) -> None:
        if name in files:
            raise InputError(
                f"two images have the name {name}", file=path, remedy="Rename one, or predict them in two goes"
            )
        files[name] = (path, spacing)

    for path in given:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                # A study as archives export it: files without a suffix.
                if file.is_file() and (file.suffix.lower() in suffixes or (not file.suffix and is_dicom(file))):
                    add(file.relative_to(path).as_posix(), file)
        elif path.suffix.lower() == ".csv":
            for case in read_dataset(path, images_of or path.parent).cases:
                add(case.name, case.image, case.landmarks.frame.spacing)
        elif path.is_file():
            add(path.name, path)
        else:
            raise InputError("there is no such image or folder", file=path, remedy="Check the path")
    if not files:
        raise InputError(
            "no image found", file=", ".join(map(str, given)), remedy=f"Images end in {', '.join(sorted(suffixes))}"
        )
    return files
