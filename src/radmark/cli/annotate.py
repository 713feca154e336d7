"""`radmark annotate`."""

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import load_predictor, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.scheme import Scheme
    from radmark.core.study import Study
    from radmark.infer.predictor import Predictor
    from radmark.web.accounts import Account
    from radmark.web.films import Films
    from radmark.web.project import Project
    from radmark.web.proposals import Proposer
    from radmark.web.store import Store

STORE = "annotations.sqlite"


@dataclass(frozen=True)
class Annotate:
    """Place landmarks on radiographs in the browser: alone, with proposals of a model, or as readers blind to each other."""

    given: Annotated[Positional[Path], arg(metavar="FILMS|ANNOTATIONS")]
    """A folder of radiographs, or annotations to go on with: .csv, .tsv, .txt or .json, in any format `radmark convert` reads."""

    films: Annotated[Path | None, arg(aliases=("--images",))] = None
    """Folder of the films that the annotations name; by default the annotations' own."""

    scheme: str | None = None
    """Which landmarks: a shipped scheme's name or a file. By default the table's, the model's or the project's."""

    reader: str | None = None
    """Who reads; by default who is logged in. With annotations that name no reader, whose points those are."""

    readers: Path | None = None
    """TOML file of readers, with what each is to read (docs/annotate.md)."""

    blind: bool = False
    """Readers see neither each other's points nor proposals."""

    model: Path | None = None
    """A run's folder: its model proposes points, which are nobody's until accepted."""

    order: Literal["name", "uncertainty"] = "name"
    """Of the films: by name, or the model's least certain first."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y. Wins over columns and file."""

    project: Path | None = None
    """Folder of the store; by default radmark-project beside the films."""

    db: str | None = None
    """A PostgreSQL database instead: postgresql+psycopg://USER@HOST/NAME."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of this machine's."""

    port: int = 0
    """Port to listen on; 0: a free one."""

    origin: str | None = None
    """The page's address where a proxy with https stands before the server, such as https://films.example.org."""

    browser: bool = True
    """Open the page in the browser."""

    export: Path | None = None
    """Write what everybody marked to this file, and open no page: .csv or .json hold everything; other suffixes as in
    `radmark convert`."""

    overwrite: bool = False
    """Replace --export."""

    def run(self) -> int:
        """Serve the page until stopped, or export."""
        _need_web()
        from radmark.console import out
        from radmark.web.proposals import Proposer

        if self.export is not None:
            return self._export(self.export)
        if self.order == "uncertainty" and self.model is None:
            raise InputError(
                "--order uncertainty needs a model", value="--order uncertainty", remedy="Give one with --model RUN"
            )
        readers = self._readers()
        predictor = None if self.model is None else load_predictor(self.model)
        scheme = _scheme(self.scheme, predictor)
        study = self._study(scheme)
        store = self._store(made=True)
        proposer = None
        try:
            films = self._films(study)
            if predictor is not None and self.model is not None:
                from radmark.checkpoint import model_name

                proposer = Proposer(model_name(self.model), predictor, store, films)
            project = self._project(store, films, readers, scheme, study, proposer)
            n, who = len(readers), "reader" if len(readers) == 1 else "readers"
            counts = store.counts(readers[0].name)
            out.print(
                f"{counts.items} radiographs for {readers[0].name}, {n} {who}, {len(project.scheme)} landmarks of "
                f"{project.scheme.name}, kept in {(self.db and 'the database') or self._folder() / STORE}"
            )
            _say_facts(project)
            for left in project.left_out[:10]:
                out.print(f"left out: {left.name}: {left.problem}")
            if len(project.left_out) > 10:
                out.print(f"left out: {len(project.left_out) - 10} more files")
            self._serve(project)
        finally:
            if proposer is not None:
                proposer.stop()
            store.close()
        return 0

    # ------------------------------------------------------------------------------------------------ the project

    @property
    def _is_table(self) -> bool:
        return self.given.is_file() and self.given.suffix.lower() in (".csv", ".tsv", ".txt", ".json")

    def _root(self) -> Path:
        """The folder the films' names are relative to."""
        if self._is_table:
            return self.films or self.given.parent
        if not self.given.exists():
            raise InputError("there is no such folder, image or table", file=self.given, remedy="Check the path")
        return self.given if self.given.is_dir() else self.given.parent

    def _folder(self) -> Path:
        from radmark.web.films import PROJECT_FOLDER

        return self.project or self._root() / PROJECT_FOLDER

    def _store(self, *, made: bool) -> "Store":
        from radmark.web.store import Store

        if self.db is not None:
            return Store(self.db)
        file = self._folder() / STORE
        if not made and not file.is_file():
            raise InputError("nothing was annotated here yet", file=file, remedy="Annotate first, or give --project")
        return Store.at(file)

    def _readers(self) -> "tuple[Account, ...]":
        from radmark.web.accounts import Account, read_readers

        if self.readers is not None:
            return read_readers(self.readers, blind=self.blind)
        name = self.reader
        if name is None:
            try:
                name = getpass.getuser()
            except (KeyError, OSError):  # a user the machine has no name for
                name = "reader"
        return (Account(name, blind=self.blind, proposals=not self.blind),)

    def _study(self, scheme: "Scheme | None") -> "Study | None":
        """What annotations already hold."""
        if not self._is_table:
            return None
        from radmark.io import Context, read_annotations

        spacing = parse_spacing(self.spacing_mm)
        return read_annotations(self.given, context=Context(scheme, self._root(), spacing))

    def _films(self, study: "Study | None") -> "Films":
        from radmark.core.film import Film
        from radmark.web.films import Films
        from radmark.web.project import told_films

        told: dict[str, Film] | None = None
        if study is not None:
            told = told_films(study, self._root())
        elif self.given.is_file():
            told = {self.given.name: Film(self.given.name)}
        return Films(self._root(), told, parse_spacing(self.spacing_mm))

    def _project(
        self,
        store: "Store",
        films: "Films",
        readers: "tuple[Account, ...]",
        scheme: "Scheme | None",
        study: "Study | None",
        proposer: "Proposer | None",
    ) -> "Project":
        """All of it brought together; what annotations hold goes in."""
        from radmark.console import out
        from radmark.io import shipped_schemes
        from radmark.web.project import import_study, open_project, stored_scheme

        scheme = scheme or (stored_scheme(store) if study is None else study.scheme)
        if scheme is None:
            raise InputError(
                "nobody said which landmarks to place",
                remedy=f"Give --scheme with a scheme file or one of: {', '.join(shipped_schemes())}",
            )
        root = self._root()
        project = open_project(root.resolve().name, scheme, store, films, readers, order=self.order, proposer=proposer)
        if study is not None:
            for reader, (stored, late) in import_study(project, study, root, readers[0].name).items():
                if stored:
                    out.print(f"{stored} landmarks of {reader} taken over from {self.given}", markup=False)
                if late:
                    out.print(f"{late} landmarks of {reader} were changed here since, and stay as they are here")
        if proposer is not None and self.order == "uncertainty":
            proposer.ahead()
        return project

    def _export(self, to: Path) -> int:
        from radmark.console import err, out
        from radmark.io import FORMATS, write_annotations
        from radmark.web.films import Films
        from radmark.web.project import Project, stored_scheme, study_of

        if FORMATS.of_suffix(to.name) is None:
            suffixes = sorted({each.suffix for each in FORMATS.values() if each.default})
            raise InputError(
                "the format to write is not known",
                file=to,
                value=to.suffix.removeprefix("."),
                remedy=f"End --export in one of {', '.join(suffixes)}",
            )
        store = self._store(made=False)
        try:
            scheme = stored_scheme(store)
            if scheme is None or not store.all_items():
                raise InputError("nothing was annotated here yet", file=self.given, remedy="Annotate first")
            study = study_of(Project(self._root().name, scheme, store, Films(self._root()), ()), None)
            for loss in write_annotations(to, study, overwrite=self.overwrite):
                err.print(f"left out: {loss}", markup=False)
            n, who = len(study), len(set(study.readers))
            out.print(
                f"{n} reading{'s' * (n != 1)} by {who} reader{'s' * (who != 1)}, in {to}",
                markup=False,
            )
        finally:
            store.close()
        return 0

    # ------------------------------------------------------------------------------------------------- the server

    def _serve(self, project: "Project") -> None:
        import logging

        import uvicorn

        from radmark import RESEARCH_USE
        from radmark.console import out
        from radmark.web.app import Address, Annotator, create_app

        with _listening(self.host, self.port) as listening:
            everywhere = self.host in ("0.0.0.0", "::")
            address = Address("*" if everywhere else self.host, listening.getsockname()[1], self.origin)
            annotator = Annotator(project, secure=address.base.startswith("https://"))
            out.print(RESEARCH_USE)
            out.print("Each link is good once, for its reader:")
            links = {reader.name: address.base + annotator.link(reader.name) for reader in project.readers}
            for name, link in links.items():
                out.print(f"  {name}: {link}")
            if self.origin is None and self.host not in ("127.0.0.1", "::1", "localhost"):
                out.print(
                    "Other machines can reach this page, and what they say is not encrypted: "
                    "put a proxy with https before it, and give --origin"
                )
            out.print("Every mark is on the disk once the page shows it as saved. Ctrl-C stops the server.")
            if self.browser and len(links) == 1:
                import webbrowser

                webbrowser.open(next(iter(links.values())))
            # What it logs of requests holds names of images; what it logs of our mistakes is worth having.
            logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
            config = uvicorn.Config(
                create_app(annotator, address),
                access_log=False,
                log_level="warning",
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
            uvicorn.Server(config).run(sockets=[listening])


_SHOWN = 10


def _say_facts(project: "Project") -> None:
    """What is used of earlier starts, what this one says otherwise, and what contradicts the films' own headers.

    A patient's name or number is never repeated.
    """
    from collections import Counter

    from radmark.console import out
    from radmark.core.facts import contradictions

    registered = project.registered
    if registered.kept:
        kept = ", ".join(f"{name} of {n} film{'s' * (n != 1)}" for name, n in sorted(registered.kept.items()))
        out.print(f"kept from an earlier start: {kept}", markup=False)
    said: Counter[str] = Counter()
    first: dict[str, str] = {}
    for each in registered.restated:
        now, before = (_shown(each.name, value) for value in (each.now, each.before))
        what = (
            "names another patient than before" if each.name == "patient" else f"says {now}, and said {before} before"
        )
        line = f"the {each.source} {what}; both are kept, the newer is used"
        said[line] += 1
        first.setdefault(line, each.film)
    for row in project.store.films().values():
        for finding in contradictions(row.film.facts):
            said[finding.words] += 1
            first.setdefault(finding.words, row.film.name)
    for line, n in said.most_common(_SHOWN):
        films = first[line] + (f" and {n - 1} more film{'s' * (n > 2)}" if n > 1 else "")
        out.print(f"{films}: {line}", markup=False)
    if len(said) > _SHOWN:
        out.print(f"{len(said) - _SHOWN} more facts contradict each other")


def _shown(name: str, value: str) -> str:
    """A fact as it is told."""
    if name != "spacing":
        return f"{name} {value}"
    x_mm, y_mm, _ = value.split()
    return f"{x_mm} x {y_mm} mm per pixel"


def _need_web() -> None:
    """Refuse in words where the server's parts are missing.

    Raises:
        InputError: they are.
    """
    try:
        import fastapi as fastapi
        import sqlalchemy as sqlalchemy
        import uvicorn as uvicorn
    except ModuleNotFoundError as error:
        raise InputError(
            f"annotating in the browser needs {error.name}, which is not installed",
            remedy='Install it with: pip install "radmark[web]"',
        ) from error


def _scheme(flag: str | None, predictor: "Predictor | None") -> "Scheme | None":
    """What the flags say the landmarks are."""
    if flag is not None:
        from radmark.io import read_scheme

        return read_scheme(flag)
    return None if predictor is None else predictor.scheme


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address is not ours, or the port is taken.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except OSError as error:
        raise InputError(
            f"the server cannot listen here: {error.strerror or error}",
            value=f"{host}:{port}",
            remedy="Give another --port (0: a free one) or another --host",
        ) from error
