"""`radmark pacs`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from radmark.core.errors import InputError


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
