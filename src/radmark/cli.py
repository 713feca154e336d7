"""The command line: a dataclass a command, its fields' docstrings the help. Heavy imports wait inside `run`.

Exit codes: 0 done; 1 `radmark check` found that training would fail or lie, or a cell of `radmark benchmark` failed; 2
something given cannot be used; 130 stopped by Ctrl-C.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg, subcommand

from radmark import RESEARCH_USE, __version__
from radmark.config import Config, read_recipe
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.dataset import Case, Dataset
    from radmark.core.frame import Spacing
    from radmark.core.landmarks import Landmarks
    from radmark.core.prediction import Prediction
    from radmark.core.radiograph import Radiograph
    from radmark.infer.predictor import Predictor
    from radmark.io import TableOptions
    from radmark.io.dicom_sr import Reported

DEFAULT_RECIPE = "cpu"
DEMO_KIND = "pelvis-radiograph"
DEMO_IMAGES = {"train": 60, "test": 20}


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


@dataclass(frozen=True)
class Demo:
    """Synthetic radiographs, training, evaluation and a page to look at, on any machine, without data or network."""

    out: Path = Path("radmark-demo")
    """The folder to make: data/, run/ and report/."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Walk the whole path, with the same commands a user would type."""
        from radmark.console import out
        from radmark.io.atomic import claim_folder

        _need_torch()
        claim_folder(self.out, overwrite=self.overwrite, ours=_demo_files())
        data = {part: self.out / "data" / part for part in DEMO_IMAGES}
        config = read_recipe("demo")
        for seed, (part, n) in enumerate(DEMO_IMAGES.items()):
            Phantom(data[part], kind=DEMO_KIND, n=n, seed=seed, size=config.data.size).run()
        asked = {
            part: Annotations(data[part] / "annotations.csv", data[part] / "images", reader="phantom") for part in data
        }
        stopped = Train(asked["train"], self.out / "run", recipe="demo", config=config).run()
        if stopped:
            return stopped
        untrained = _untrained_error_px(asked["test"], config)
        out.print(f"before training the mean radial error on the test images was {untrained:.1f} px; now:")
        return Evaluate(self.out / "run", asked["test"], self.out / "report").run()


@dataclass(frozen=True)
class Phantom:
    """Synthetic radiographs whose landmarks are known exactly: OUT/images/*.png and OUT/annotations.csv."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The folder to make."""

    kind: str
    """What they show: the name of one of the shipped schemes, but for ceph-19."""

    n: int = 60
    """How many."""

    seed: int = 0
    """The same kind, seed and number give the same pictures."""

    size: int = 512
    """Longer side in pixels."""

    def run(self) -> int:
        """Draw and write them."""
        from radmark import phantom
        from radmark.console import out

        if self.kind not in phantom.KINDS:
            raise InputError(
                "there is no phantom of this kind",
                value=self.kind,
                remedy=f"Use one of: {', '.join(phantom.KINDS)}",
            )
        phantom.write(self.out, self.kind, self.n, self.seed, self.size)
        out.print(f"{self.n} phantoms ({self.kind}) in {self.out}")
        return 0


@dataclass(frozen=True)
class Check:
    """Say what is wrong with a data set before an hour is spent on it; exit code 1 if training would fail or lie."""

    data: Annotations

    def run(self) -> int:
        """Print the report."""
        from radmark.check import check_dataset
        from radmark.console import out

        report = check_dataset(self.data.annotations, self.data.images, **self.data.options())
        out.print(report.as_text())
        return 1 if report.errors else 0


@dataclass(frozen=True)
class Train:
    """Train a landmark detector. RUN then holds the model, the whole config, the split, the log and the curves."""

    data: Annotations

    out: Path
    """The run's folder, RUN."""

    recipe: str = DEFAULT_RECIPE
    """A shipped recipe's name or a TOML file; the settings below are its own unless a flag changes them."""

    resume: bool = False
    """Go on with an interrupted run, from the end of its last whole epoch."""

    overwrite: bool = False
    """Replace what is in --out."""

    config: Config = dataclasses.field(default_factory=Config)

    def run(self) -> int:
        """Train, and say where the model is."""
        from radmark.console import TrainingProgress, epoch_words, out
        from radmark.io import read_dataset

        dataset = read_dataset(self.data.annotations, self.data.images, **self.data.options())
        out.print(f"{len(dataset)} radiographs, {len(dataset.scheme)} landmarks ({dataset.scheme.name})")
        _need_torch()
        from radmark.checkpoint import MODEL_FILE, TRAINING_FILE
        from radmark.train.loop import train

        model = self.out / MODEL_FILE
        try:
            with TrainingProgress() as progress:
                kept = train(
                    dataset, self.config, self.out, _read, progress, resume=self.resume, overwrite=self.overwrite
                )
        except KeyboardInterrupt:
            resumable = (self.out / TRAINING_FILE).is_file()
            left = f"{model} is the model of the last whole epoch; --resume goes on" if resumable else "no model yet"
            print(f"\nStopped: {left}.", file=sys.stderr)
            return 130
        out.print(f"kept {epoch_words(kept.facts['history'][kept.epoch])}")
        out.print(f"{model}  (curves: {self.out / 'curves.png'}, log: {self.out / 'log.csv'})")
        return 0


@dataclass(frozen=True)
class Evaluate:
    """Score a trained model against annotations: metrics.json, errors.csv and index.html, a page to look at."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    data: Annotations

    out: Path
    """The report's folder, REPORT."""

    part: str | None = None
    """Score only the rows whose `split` column says this. By default those that say test, or all if none does."""

    grid: Literal["source", "model"] = "source"
    """In whose pixels errors are counted: the image file's, or those of the square grid the model sees."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Predict, score, write the report, print the headline."""
        from radmark.console import err, out
        from radmark.evaluate.metrics import point_errors, score
        from radmark.evaluate.report import REPORT_FILES, write_report
        from radmark.io.atomic import check_folder

        predictor = _predictor(self.run_folder)
        dataset = _to_score(self.data, predictor, self.part)
        check_folder(self.out, overwrite=self.overwrite, ours=REPORT_FILES)
        checkpoint = predictor.checkpoint
        trained_on = set(checkpoint.facts["training_images"].values()) | set(
            checkpoint.facts["validation_images"].values()
        )
        predictions: list[Prediction] = []
        seen: list[str] = []
        for case in dataset.cases:
            radiograph = _read(case)
            predictions.append(predictor(case.name, radiograph))
            if radiograph.pixel_hash in trained_on:
                seen.append(case.name)
        size = checkpoint.config.data.size
        metrics = score(
            point_errors(dataset.cases, predictions),
            reader=dataset.reader,
            grid_size=size if self.grid == "model" else None,
        )
        warnings = [_flattery(seen, len(dataset))] if seen else []
        curves = self.run_folder / "curves.png"
        write_report(
            self.out,
            dataset,
            predictions,
            metrics,
            title=f"{dataset.scheme.title or dataset.scheme.name}: landmark detection",
            facts=_facts(predictor, self.run_folder, self.data),
            read=_read,
            warnings=warnings,
            overwrite=self.overwrite,
            pictures={"Training": curves} if curves.is_file() else {},
        )
        for line in metrics.headline():
            out.print(line)
        for line in warnings:
            err.print(f"Warning: {line}")
        out.print(str(self.out / "index.html"))
        return 0


@dataclass(frozen=True)
class Predict:
    """Find the landmarks of radiographs and write them to one file, in pixels of each image file."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES...")]
    """Image files, folders of them, or an annotation CSV whose images are meant (with --images-of)."""

    out: Path
    """The file to write: .csv, with the columns of ANNOTATIONS and <name>_confidence, .json, or, for a DICOM image, .dcm: a
    Structured Report for the archive it came from. Reports of several images: a folder, and --format dcm."""

    format: Literal["csv", "json", "dcm"] | None = None
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

    def run(self) -> int:
        """Predict and write."""
        from radmark.console import err, out
        from radmark.io import IMAGE_SUFFIXES, read_image, write_predictions_csv, write_predictions_json

        write = {"csv": write_predictions_csv, "json": write_predictions_json}
        suffix = self.format or self.out.suffix.removeprefix(".").lower()
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
        predictor = _predictor(self.run_folder, self.absent_below)
        predictions: list[Prediction] = []
        for name, (path, own_spacing) in files.items():
            try:
                radiograph = read_image(path, spacing or own_spacing, frame=self.frame)
                predictions.append(predictor(name, radiograph))
                if suffix == "dcm":
                    self._report(outs[name], path, radiograph, predictions[-1])
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


@dataclass(frozen=True)
class Pacs:
    """Talk to a hospital archive: `echo` asks whether it hears us, `send` stores DICOM files in it."""

    action: Annotated[Positional[Literal["echo", "send"]], arg(metavar="echo|send")]
    """What to do."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILES...")] = ()
    """DICOM files to send."""

    host: str = "127.0.0.1"
    """The archive's name or address."""

    port: int = 4242
    """Of its DICOM service."""

    called: str = "ORTHANC"
    """The archive's AE title."""

    calling: str = "RADMARK"
    """Our AE title, which many archives have to be told first."""

    tls_ca: Path | None = None
    """Certificates to trust; turns encryption on."""

    def run(self) -> int:
        """Echo or send."""
        from radmark.console import out
        from radmark.pacs.client import Archive, echo, send

        archive = Archive(self.host, self.port, self.called, self.calling, self.tls_ca)
        if self.action == "echo":
            echo(archive)
            out.print(f"{archive} answers")
            return 0
        if not self.files:
            raise InputError("there is nothing to send", remedy="Name the DICOM files")
        send(archive, self.files)
        out.print(f"{len(self.files)} {'file' if len(self.files) == 1 else 'files'} stored in {archive}")
        return 0


@dataclass(frozen=True)
class Benchmark:
    """Compare ways to train on the same films: arms x data sets x folds x seeds, and the paper's tables for them.

    The same command goes on where it stopped, and twice at once it shares the work. Exit code 1 if a cell failed.
    """

    grid: Annotated[Positional[str], arg(metavar="GRID")]
    """A shipped grid (smoke, phantom-six, ceph, chest, paper) or a TOML file; docs/benchmark.md says what it holds."""

    out: Path
    """The benchmark's folder: cells/, and report/ with index.html and the tables as .md, .tex and .csv."""

    data: Path | None = None
    """Folder that the paths in the grid are relative to. By default that of the grid's file."""

    encoder_weights: str | None = None
    """Instead of the grid's: "imagenet", "none" or a file."""

    engine: Literal["here", "ray"] = "here"
    """here: one cell after another in this process. ray: many at once on a Ray cluster."""

    address: str | None = None
    """Of the Ray cluster; by default one is started on this machine."""

    cpus_per_cell: float = 1.0
    """Processors a cell reserves on Ray."""

    gpus_per_cell: float = 0.0
    """Graphics cards a cell reserves on Ray; 0.5 lets two cells share one."""

    report_only: bool = False
    """Train nothing; write the report of what is done."""

    def run(self) -> int:
        """Run what is missing, then report."""
        _need_torch()
        from radmark.benchmark.grid import read_grid
        from radmark.benchmark.report import write_benchmark_report
        from radmark.benchmark.results import read_results
        from radmark.benchmark.run import RayOptions, prepare, run_here, run_on_ray
        from radmark.console import BenchmarkProgress, out

        changes = {} if self.encoder_weights is None else {"model": {"encoder_weights": self.encoder_weights}}
        grid = read_grid(self.grid, data=self.data, changes=changes)
        folds, cells = prepare(grid, self.out)
        stopped = False
        if not self.report_only:
            done = sum(cell.result(self.out).is_file() for cell in cells)
            progress = BenchmarkProgress(len(cells), done)
            try:
                if self.engine == "ray":
                    options = RayOptions(self.address, self.cpus_per_cell, self.gpus_per_cell)
                    run_on_ray(grid, folds, cells, self.out, _read, progress, options)
                else:
                    run_here(grid, folds, cells, self.out, _read, progress)
            except KeyboardInterrupt:
                stopped = True
        results = read_results(grid, folds, cells, self.out)
        page = write_benchmark_report(results, self.out / "report", _read)
        out.print(f"{len(results.done)} of {len(cells)} cells done, {len(results.failed)} failed: {page}")
        if stopped:
            print("Stopped: the same command goes on.", file=sys.stderr)
            return 130
        return 1 if results.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the return value is the process's exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv == ["--version"]:
        print(f"radmark {__version__}")
        return 0
    try:
        # A recipe sets the defaults of every other flag of `train`, so it is looked for first.
        config = read_recipe(_flag(argv, "--recipe") or DEFAULT_RECIPE) if argv[:1] == ["train"] else Config()
        missing: Any = tyro.MISSING
        train = Train(Annotations(missing, missing), missing, config=config)
        commands = (
            Annotated[Demo, subcommand("demo")]
            | Annotated[Phantom, subcommand("phantom")]
            | Annotated[Check, subcommand("check")]
            | Annotated[Train, subcommand("train", default=train)]
            | Annotated[Evaluate, subcommand("evaluate")]
            | Annotated[Predict, subcommand("predict")]
            | Annotated[Measure, subcommand("measure")]
            | Annotated[Pacs, subcommand("pacs")]
            | Annotated[Benchmark, subcommand("benchmark")]
        )
        command: Any = tyro.cli(
            commands,
            prog="radmark",
            description=f"Landmarks on radiographs: from annotated films to a trained, scored detector. {RESEARCH_USE}",
            args=argv,
            config=(OmitArgPrefixes,),
        )
        return command.run()
    except InputError as error:
        print(f"radmark: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


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


def _flag(argv: Sequence[str], name: str) -> str | None:
    """The last value of a flag, as the parser takes it; None where there is none."""
    value = None
    for word, following in zip(argv, [*argv[1:], "-"], strict=True):
        if word.startswith(f"{name}="):
            value = word.split("=", 1)[1]
        elif word == name and not following.startswith("-"):
            value = following
    return value


def _demo_files() -> tuple[str, ...]:
    """What `radmark demo` leaves behind, as patterns."""
    from radmark.evaluate.report import REPORT_FILES
    from radmark.train.loop import RUN_FILES

    data = ("data/*/annotations.csv", "data/*/images/*.png")
    return (*data, *(f"run/{name}" for name in RUN_FILES), *(f"report/{name}" for name in REPORT_FILES))


def _need_torch() -> None:
    try:
        import torch as torch
    except ModuleNotFoundError as error:
        raise InputError(
            "training and prediction need PyTorch, which is not installed",
            remedy='Install it with: pip install "radmark[train]"',
        ) from error


def _predictor(run: Path, absent_below: float = 0.0) -> "Predictor":
    _need_torch()
    from radmark.infer import Predictor

    return Predictor.load(run, absent_below=absent_below)


def _read(case: "Case") -> "Radiograph":
    from radmark.io import read_image

    return read_image(case.image, case.landmarks.frame.spacing)


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


def _to_score(data: Annotations, predictor: "Predictor", part: str | None) -> "Dataset":
    """The annotated cases in the model's own scheme, of one part."""
    from radmark.core.dataset import Dataset
    from radmark.io import read_dataset

    options = data.options()
    options["scheme"] = options.get("scheme") or predictor.scheme
    dataset = read_dataset(data.annotations, data.images, **options)
    if part is None and any(case.part == "test" for case in dataset.cases):
        part = "test"
    if part is None:
        return dataset
    cases = tuple(case for case in dataset.cases if case.part == part)
    if not cases:
        raise InputError(
            "no row belongs to this part",
            file=data.annotations,
            column="split",
            value=part,
            remedy="Give another --part",
        )
    return Dataset(dataset.scheme, cases, dataset.reader)


def _flattery(seen: Sequence[str], total: int) -> str:
    return (
        f"{len(seen)} of these {total} images were used in training (the same pixels), so this score flatters. "
        f"First of them: {', '.join(seen[:3])}"
    )


def _facts(predictor: "Predictor", run: Path, data: Annotations) -> Mapping[str, str]:
    """What a reader of the report needs to repeat it."""
    checkpoint = predictor.checkpoint
    config, facts = checkpoint.config, checkpoint.facts
    return {
        "annotations": str(data.annotations),
        "run": str(run),
        "network": f"U-Net, encoder {config.model.encoder}, {config.data.size} x {config.data.size} pixels",
        "loss": f"{config.labels.loss}, label radius {checkpoint.radius_px} px in the last epoch",
        "trained on": f"{len(facts['training_images'])} images of {len(facts['training_patients'])} patients"
        + (f", reader {facts['reader']}" if facts["reader"] else ""),
        "epoch kept": f"{checkpoint.epoch + 1} of {config.train.epochs}, chosen as the {config.train.select}",
        "decoder": config.decode.decoder,
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    }


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


def _untrained_error_px(data: Annotations, config: Config) -> float:
    """Mean radial error of the demo's network as it starts, for comparison."""
    import torch

    from radmark.checkpoint import Checkpoint
    from radmark.evaluate.metrics import point_errors, score
    from radmark.infer import Predictor
    from radmark.io import read_dataset
    from radmark.model import build

    dataset = read_dataset(data.annotations, data.images)
    torch.manual_seed(config.train.seed)
    net = build(config.model, len(dataset.scheme)).eval()
    blank = Checkpoint(config, dataset.scheme, net.state_dict(), epoch=0, radius_px=0, facts={})
    predictor = Predictor(blank, net, torch.device("cpu"))
    predictions = [predictor(case.name, _read(case)) for case in dataset.cases]
    mean = score(point_errors(dataset.cases, predictions)).px.mean
    assert mean is not None  # every phantom's landmarks are known
    return mean


if __name__ == "__main__":
    sys.exit(main())
