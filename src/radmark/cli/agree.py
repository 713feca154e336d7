"""`radmark agree`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from radmark.cli.common import parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.agree import Panel
    from radmark.core.frame import FloatArray
    from radmark.core.readings import Readings


@dataclass(frozen=True)
class Agree:
    """Readers against each other, landmark by landmark, and a model as one more reader: agreement.json, .csv and a page."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="A B...")]
    """Annotations in any format `radmark convert` reads. A file without readers is one reader's, who gets its name; the same
    reader in two files has read twice."""

    out: Path
    """The report's folder."""

    model: Path | None = None
    """Predictions on the same images: is the model within the readers' spread?"""

    consensus: Path | None = None
    """Also write the readers' consensus here, as annotations to train on or to score against: of two readers the mean, of more
    the geometric median; a landmark that only one of them placed is left out."""

    measure: bool = False
    """Measure each reading, and say how well the measurements agree: ICC, SEM, MDC, Bland-Altman."""

    images: Path | None = None
    """Folder of the images: for formats that lack sizes, and for the spacing of DICOM films."""

    scheme: str | None = None
    """A shipped scheme's name or a TOML file: the landmarks to compare, or names for formats that have none."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over the files."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Read, compare, write, print the headline."""
        from radmark.agree import agreement, consensus_readings, panel
        from radmark.agree.report import REPORT_FILES, write_report
        from radmark.console import err, out
        from radmark.io import Context, read_annotations, read_scheme, write_annotations
        from radmark.io.atomic import check_folder, claim_file

        check_folder(self.out, overwrite=self.overwrite, ours=REPORT_FILES)
        if self.consensus is not None:
            claim_file(self.consensus, overwrite=self.overwrite)
            if self.consensus.resolve() in (path.resolve() for path in self.files):
                raise InputError(
                    "the consensus would replace a reader's own file",
                    file=self.consensus,
                    remedy="Give another --consensus",
                )
        context = Context(
            scheme=None if self.scheme is None else read_scheme(self.scheme),
            images=self.images,
            spacing=parse_spacing(self.spacing_mm),
        )
        sets = [_named(read_annotations(path, context=context), path) for path in self.files]
        model = None
        if self.model is not None:
            model = f"model {self.model.stem}"
            sets.append(read_annotations(self.model, context=context).named(model))
        for path, readings in zip((*self.files, *(() if self.model is None else (self.model,))), sets, strict=True):
            asked = [loss for loss in readings.lost if self.scheme is None or not loss.what.startswith("landmark ")]
            for loss in asked:
                err.print(f"{path}: left out: {loss}", markup=False)
        compared = panel(sets)
        measured = _measured(compared) if self.measure else None
        found = agreement(compared, model=model, measured=measured)
        if self.consensus is not None:
            agreed = consensus_readings(compared, sets, found.consensus, model)
            write_annotations(self.consensus, agreed, overwrite=self.overwrite)
            out.print(f"the consensus on {len(agreed.images)} images is in {self.consensus}", markup=False)
        page = write_report(self.out, found, title="How well the readers agree", overwrite=self.overwrite)
        for pair in found.pairs:
            s = pair.mm or pair.px
            if pair.landmark is None:
                interval = "" if s.mean_ci95 is None else " [{:.2f}, {:.2f}]".format(*s.mean_ci95)
                line = f"{pair.first} - {pair.second}: mean {s.mean:.2f}{interval}, median {s.median:.2f} {found.unit}"
                out.print(f"{line}; {s.sdr_percent['2']:.1f} % < 2; {s.n} points", markup=False)
        for m in found.models[:1]:
            line = f"model to readers {m.model_to_readers:.2f}, between readers {m.between_readers:.2f} {found.unit}"
            interval = "" if m.difference_ci95 is None else " [{:+.2f}, {:+.2f}]".format(*m.difference_ci95)
            verdict = (
                ""
                if m.verdict is None
                else f": {m.verdict} the readers' spread"
                if m.verdict == "within"
                else f": {m.verdict}"
            )
            out.print(f"{line}, difference {m.difference:+.2f}{interval}{verdict}", markup=False)
        out.print(str(page), markup=False)
        return 0


def _named(readings: "Readings", path: Path) -> "Readings":
    """Whose readings these are: as the file says, else the file's name."""
    if all(reader is not None for reader in readings.readers):
        return readings
    if any(reader is not None for reader in readings.readers):
        raise InputError(
            "some readings name their reader and some do not", file=path, remedy="Fill the reader column in every row"
        )
    return readings.named(path.stem)


def _measured(panel: "Panel") -> "dict[tuple[str, str], FloatArray]":
    """(title, unit) -> (R, N) values: everything the landmarks' names let measure, of every reading."""
    import numpy as np

    from radmark.core.frame import Frame, Spacing, SpacingSource
    from radmark.core.landmarks import Landmarks
    from radmark.measure import measure

    tables: dict[tuple[str, str], FloatArray] = {}
    shape = (len(panel.readers), len(panel.images))
    for r in range(shape[0]):
        for n in range(shape[1]):
            if not np.isfinite(panel.points[r, n]).any():
                continue
            x_mm, y_mm = panel.scale[n].tolist()
            spacing = Spacing(x_mm, y_mm, SpacingSource.TABLE) if np.isfinite(x_mm) else None
            # Measurements ask for a frame; its size enters none of them.
            landmarks = Landmarks.present(panel.scheme, Frame(1, 1, spacing), panel.points[r, n])
            for result in measure(landmarks):
                title = f"{result.title}, {result.side}" if result.side else result.title
                table = tables.setdefault((title, result.unit), np.full(shape, np.nan))
                if result.value is not None:
                    table[r, n] = result.value
    if not tables:
        raise InputError(
            f"no measurement is known for landmarks such as {', '.join(panel.landmarks[:3])}",
            remedy="Leave out --measure, or name the landmarks as docs/measurements.md does",
        )
    return tables
