"""`radmark pacs`: a class for each thing it does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

from radmark import RESEARCH_USE
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.pacs.client import Archive
    from radmark.pacs.settings import Settings
    from radmark.pacs.web import WebArchive


@dataclass(frozen=True)
class Where:
    """The archive."""

    host: str | None = None
    """The archive's name or address; by default 127.0.0.1."""

    port: int | None = None
    """Of its DICOM service; by default 4242."""

    called: str | None = None
    """The archive's AE title; by default ORTHANC."""

    calling: str | None = None
    """Our AE title, which many archives have to know first; by default RADMARK."""

    url: str | None = None
    """Instead of host and port: its DICOMweb service, such as https://pacs.example.org/dicom-web."""

    auth_file: Path | None = None
    """File that holds user:password for --url, readable by you only; by default the environment variable RADMARK_PACS_AUTH."""

    insecure: bool = False
    """Allow http, which everybody on the network can read, to another machine."""

    tls_ca: Path | None = None
    """Certificates to trust; turns encryption on."""

    tls_cert: Path | None = None
    """Our certificate, for an archive that asks for one."""

    tls_key: Path | None = None
    """Its private key."""

    config: Path | None = None
    """A TOML file that says all this in its table [archive]."""

    def archive(self) -> "Archive | WebArchive":
        """As the flags say, and where they are silent, the file."""
        from radmark.pacs.settings import ArchiveSettings, over, read_settings

        flags = ArchiveSettings(
            self.host, self.port, self.called, self.calling, self.url, self.auth_file, self.insecure or None,
            self.tls_ca, self.tls_cert, self.tls_key,
        )  # fmt: skip
        return over(read_settings(self.config).archive, flags).archive()


@dataclass(frozen=True)
class Echo:
    """Ask an archive whether it hears us."""

    where: Where = Where()

    def run(self) -> int:
        """Ask."""
        from radmark.console import out
        from radmark.pacs import client, web

        archive = self.where.archive()
        web.echo(archive) if isinstance(archive, web.WebArchive) else client.echo(archive)
        out.print(f"{archive} answers")
        return 0


@dataclass(frozen=True)
class Send:
    """Store DICOM files in an archive."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILES...")] = ()
    """DICOM files."""

    where: Where = Where()

    def run(self) -> int:
        """Send."""
        from radmark.console import out

        archive = self.where.archive()
        if not self.files:
            raise InputError("there is nothing to send", remedy="Name the DICOM files")
        for name in self.files:
            if not name.is_file():
                raise InputError("there is no such file", file=name, remedy="Check the path")
        _sender(archive)(self.files)
        out.print(f"{len(self.files)} {'file' if len(self.files) == 1 else 'files'} stored in {archive}")
        return 0


@dataclass(frozen=True)
class Fetch:
    """Fetch a study, a series or one instance from an archive's DICOMweb service (--url) into a folder of your own."""

    out: Path
    """The folder; nobody else may look into it."""

    study: str | None = None
    """Study Instance UID."""

    series: str | None = None
    """Series Instance UID."""

    instance: str | None = None
    """SOP Instance UID."""

    overwrite: bool = False
    """Replace files that are there already."""

    where: Where = Where()

    def run(self) -> int:
        """Fetch."""
        from radmark.console import out
        from radmark.pacs import web

        archive = self.where.archive()
        if not isinstance(archive, web.WebArchive):
            raise InputError("images are fetched over DICOMweb", remedy="Give its address as --url")
        files = web.fetch(
            archive, self.out, study=self.study, series=self.series, instance=self.instance, overwrite=self.overwrite
        )
        out.print(f"{len(files)} {'file' if len(files) == 1 else 'files'} in {self.out}")
        return 0


@dataclass(frozen=True)
class Listen:
    """Take radiographs from the network, and send an archive a report of each. Research use only."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made, or a file `radmark export` made."""

    port: int | None = None
    """To listen on."""

    spool: Path | None = None
    """Folder of the queue; made where there is none. Nothing that was taken is lost from it."""

    to: str | None = None
    """The archive for the reports, as host:port,AE. Without it and --to-url they stay in the spool, under done."""

    to_url: str | None = None
    """Instead: its DICOMweb service, such as https://pacs.example.org/dicom-web."""

    auth_file: Path | None = None
    """File that holds user:password for --to-url, readable by you only; by default the environment variable RADMARK_PACS_AUTH."""

    insecure: bool = False
    """Allow http, which everybody on the network can read, to another machine."""

    bind: str | None = None
    """Our address to listen on; by default 127.0.0.1, which only this machine reaches. 0.0.0.0: all."""

    ae_title: str | None = None
    """Ours, for those who call us and for the archive; by default RADMARK."""

    accept: str | None = None
    """AE titles of the callers that are let in, with commas between them; by default everybody."""

    frame: int | None = None
    """Of images of several frames, which one, from 1; by default such images are set aside."""

    audit: Path | None = None
    """The audit log; by default audit.jsonl in the spool."""

    tls_cert: Path | None = None
    """Our certificate; turns encryption on."""

    tls_key: Path | None = None
    """Its private key."""

    tls_ca: Path | None = None
    """Who signed the certificates of callers, who must then show them, and of the archive, which is then called with TLS."""

    config: Path | None = None
    """A TOML file that says all this in its tables [listen] and [archive]; there, each can have certificates of its own."""

    def run(self) -> int:
        """Listen until told to stop."""
        import signal
        import sys
        import threading
        import time
        import warnings

        from radmark.console import err, out
        from radmark.pacs.settings import ListenSettings, over, read_settings
        from radmark.privacy.audit import AuditLog

        try:
            import pynetdicom as pynetdicom

            from radmark.pacs.listener import Model, listen
            from radmark.pacs.spool import opened
        except ModuleNotFoundError as error:
            raise InputError(
                f"listening needs {error.name}, which is not installed",
                remedy='Install it with: pip install "radmark[train,dicom]"',
            ) from error

        settings = read_settings(self.config)
        accept = None if self.accept is None else tuple(title.strip() for title in self.accept.split(","))
        flags = ListenSettings(
            self.port, self.bind, self.ae_title, accept,
            self.spool, self.audit, self.frame, self.tls_cert, self.tls_key, self.tls_ca,
        )  # fmt: skip
        wanted = over(settings.listen, flags)
        door, deliver = wanted.door(), self._deliver(settings)
        if wanted.spool is None:
            raise InputError("no folder is given for the queue", remedy="Give --spool")

        def say(words: str) -> None:
            out.print(f"{time.strftime('%H:%M:%S')} {words}")
            sys.stdout.flush()

        stop = threading.Event()
        before = {ending: signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)}

        def silent(_: object) -> None:  # what a caller sends is not for a log
            pass

        def stopping(*_: object) -> None:
            stop.set()

        hook, threading.excepthook = threading.excepthook, silent
        try:
            with (
                warnings.catch_warnings(),
                Model(self.run_folder) as model,
                opened(wanted.spool, model.sha256) as spool,
            ):
                warnings.simplefilter("ignore")  # they quote values
                audit = AuditLog(wanted.audit or wanted.spool / "audit.jsonl")
                for ending in before:
                    signal.signal(ending, stopping)
                if door.tls_cert is None and door.bind not in ("127.0.0.1", "::1", "localhost"):
                    err.print(f"without TLS, what is sent to {door.bind}:{door.port} can be read on its way")
                say(f"{door.ae_title} listens on {door.bind}:{door.port}. {RESEARCH_USE}")
                listen(door, spool, model, audit, deliver=deliver, stop=stop, say=say, frame=wanted.frame)
        finally:
            threading.excepthook = hook
            for ending, handler in before.items():
                signal.signal(ending, handler)
        say("stopped")
        return 0

    def _deliver(self, settings: "Settings") -> "Callable[[Path], None] | None":
        """How a report leaves."""
        from radmark.pacs.settings import ArchiveSettings, over

        host, port, called = (None, None, None) if self.to is None else _place(self.to)
        elsewhere = self.to is not None or self.to_url is not None  # than the file says
        flags = ArchiveSettings(
            host, port, called, self.ae_title, self.to_url, self.auth_file,
            self.insecure or None, self.tls_ca, self.tls_cert, self.tls_key,
        )  # fmt: skip
        there = over(ArchiveSettings() if elsewhere else settings.archive, flags)
        if not there.named:
            return None
        if there.calling is None:
            there = replace(there, calling=settings.listen.ae_title)
        send = _sender(there.archive())
        return lambda report: send((report,))


@dataclass(frozen=True)
class Pacs:
    """Talk to a hospital archive, or be one of those it talks to."""

    action: Annotated[
        Annotated[Echo, subcommand("echo")]
        | Annotated[Send, subcommand("send")]
        | Annotated[Fetch, subcommand("fetch")]
        | Annotated[Listen, subcommand("listen")],
        OmitArgPrefixes,
        OmitSubcommandPrefixes,
    ]
    """What to do."""

    def run(self) -> int:
        """Do it."""
        return self.action.run()


def _sender(archive: "Archive | WebArchive") -> "Callable[[tuple[Path, ...]], None]":
    from radmark.pacs import client, web

    return lambda files: (
        web.send(archive, files) if isinstance(archive, web.WebArchive) else client.send(archive, files)
    )


def _place(text: str) -> tuple[str, int, str]:
    """host:port,AE."""
    place, _, title = text.partition(",")
    host, _, port = place.rpartition(":")
    if not (host and port.isdecimal() and title):
        raise InputError("--to is not host:port,AE", value=text, remedy="Give such as pacs.example.org:104,ARCHIVE")
    return host.strip("[]"), int(port), title
