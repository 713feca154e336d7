"""`radmark agree`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from radmark.cli.common import FilmsFolder, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.agree.panel import Panel
    from radmark.core.frame import FloatArray
    from radmark.core.study import Study
    from radmark.io import Context


@dataclass(frozen=True)
class Agree:
    """Readers against each other, landmark by landmark, and a model as one more reader: agreement.json, .csv and a page."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="A B...")]
    """Annotations in any format `radmark convert` reads. A file without readers is one reader's, who gets its name; the same
    reader in two files has read twice."""

    out: Path
    """The report's folder."""

    model: Path | None = None
    """Predictions on the same films: is the model within the readers' spread?"""

    consensus: Path | None = None
    """Also write the readers' consensus here, as annotations to train on or to score against: of two readers the mean, of more
    the geometric median; a landmark that only one of them placed is left out."""

    measure: bool = False
    """Measure each reading, and say how well the measurements agree: ICC, SEM, MDC, Bland-Altman."""

    films: FilmsFolder = None
    """Folder of the films: for formats that lack sizes, and for what DICOM films say of their spacing, side and display."""

    scheme: str | None = None
    """A shipped scheme's name or a TOML file: the landmarks to compare, or names for formats that have none."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over the files."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Read, compare, write, print the headline."""
        from radmark.agree.agreement import agreement
        from radmark.agree.panel import consensus_study, panel, together
        from radmark.agree.report import REPORT_FILES, write_report
        from radmark.console import out
        from radmark.core.marks import Model
        from radmark.io import Context, read_scheme, write_annotations
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
            films=self.films,
            spacing=parse_spacing(self.spacing_mm),
        )
        studies = [_of_readers(self._read(path, context), path) for path in self.files]
        model = None if self.model is None else Model("", f"model {self.model.stem}")
        if model is not None and self.model is not None:
            studies.append(self._read(self.model, context).by(model))
        compared = panel(together(studies), model)
        found = agreement(compared, _measured(compared) if self.measure else None)
        if self.consensus is not None:
            agreed = consensus_study(compared, found.consensus)
            write_annotations(self.consensus, agreed, overwrite=self.overwrite)
            out.print(f"the consensus on {len(agreed.names)} images is in {self.consensus}", markup=False)
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

    def _read(self, path: Path, context: "Context") -> "Study":
        """A file's readings; says what was left out."""
        from radmark.console import err
        from radmark.io import read_annotations

        study = read_annotations(path, context=context)
        for loss in study.lost:
            if self.scheme is None or not loss.what.startswith("landmark "):
                err.print(f"{path}: left out: {loss}", markup=False)
        return study


def _of_readers(study: "Study", path: Path) -> "Study":
    """Whose readings these are: as the file says, else the file's name. A model among them is compared as one reader more."""
    from radmark.core.marks import Model, Reader
    from radmark.core.study import Marked, Study

    authors = study.authors
    if all(author is None or isinstance(author, Model) for author in authors):
        return study.named(path.stem)
    if None in authors:
        raise InputError(
            "some readings name their reader and some do not", file=path, remedy="Fill the reader column in every row"
        )
    rows = [
        Marked(film, marks.by(Reader(str(marks.author))) if isinstance(marks.author, Model) else marks)
        for film, marks in study.rows
    ]
    return Study(study.scheme, tuple(rows), study.lost)


def _measured(panel: "Panel") -> "dict[tuple[str, str], FloatArray]":
    """(title, unit) -> (R, N) values: everything the landmarks' names let measure, of every reading, on its own film.

    A value that may not be used is none.
    """
    import numpy as np

    from radmark.console import err
    from radmark.measure import examine

    tables: dict[tuple[str, str], FloatArray] = {}
    stopped = 0
    shape = (len(panel.readers), len(panel.films))
    for r, reader in enumerate(panel.readers):
        for n, name in enumerate(panel.images):
            row = panel.rows.get((reader, name))
            for result in () if row is None else examine(*row).results:
                title = f"{result.title}, {result.side}" if result.side else result.title
                table = tables.setdefault((title, result.unit), np.full(shape, np.nan))
                if result.value is not None and result.usable != "no":
                    table[r, n] = result.value
                stopped += result.value is not None and result.usable == "no"
    if stopped:
        err.print(f"left out: {stopped} measurements that may not be used; `radmark measure` says why")
    if not tables:
        raise InputError(
            f"no measurement is known for landmarks such as {', '.join(panel.landmarks[:3])}",
            remedy="Omit --measure, or name the landmarks as docs/measurements.md does",
        )
    return tables
