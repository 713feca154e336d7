"""C-ECHO and C-STORE to an archive, by pynetdicom. Nothing of the patient is printed, logged or put into an error."""

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radmark.core.errors import InputError
from radmark.pacs.lines import TlsLine

_PATIENCE_S = 30
_ECHO: tuple[str, str | None] = ("1.2.840.10008.1.1", None)

# It reports to a logger as well; we raise, and a library does not print.
logging.getLogger("pynetdicom").addHandler(logging.NullHandler())


class ArchiveAwayError(InputError):
    """An archive does not answer, or cannot take anything now; the same file may go through later."""


@dataclass(frozen=True)
class Archive:
    """Where an archive listens and by what names the two call each other.

    Args:
        host: name or address.
        port: of its DICOM service.
        called: the archive's AE title.
        calling: ours, which many archives have to be told beforehand.
        tls_ca: certificates to trust, which turns encryption on; None: none.
        tls_cert: ours, for an archive that asks who we are.
        tls_key: its private key.

    Raises:
        InputError: an AE title is not valid.
    """

    host: str = "127.0.0.1"
    port: int = 4242
    called: str = "ORTHANC"
    calling: str = "RADMARK"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        check_title(self.called)
        check_title(self.calling)

    def __str__(self) -> str:
        return f"{self.called}@{self.host}:{self.port}"


def check_title(title: str) -> None:
    """That it is an application entity's title.

    Raises:
        InputError: it is not.
    """
    if not (title.strip() and title.isascii() and title.isprintable() and "\\" not in title and len(title) <= 16):
        raise InputError("not a valid AE title", value=title, remedy="Give 1 to 16 letters, digits or signs")


def echo(archive: Archive) -> None:
    """Ask an archive whether it hears us.

    Raises:
        InputError: it does not answer, or refuses.
    """
    with _associated(archive, [_ECHO]) as association:
        _checked(association.send_c_echo(), archive, "the archive did not answer the echo")


def send(archive: Archive, files: Sequence[Path]) -> None:
    """Store files, in their order, in one association.

    Raises:
        InputError: a file is not DICOM, the archive does not answer, or it refuses one; those before it are stored.
    """
    from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]
    from pydicom.errors import InvalidDicomError

    kinds: dict[tuple[str, str], None] = {}
    for file in files:
        try:
            ds = dcmread(file, stop_before_pixels=True)
            kinds[str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)] = None
        except (InvalidDicomError, OSError, AttributeError) as error:
            raise InputError(
                "this is not a DICOM file that an archive could store", file=file, remedy="Leave it out"
            ) from error
    # An archive that takes none of the kinds would refuse the whole association, and we could not tell why.
    with _associated(archive, [*kinds, _ECHO]) as association:
        for file in files:
            try:
                status = association.send_c_store(dcmread(file))
            except ValueError as error:  # the archive did not accept this kind
                raise InputError(
                    f"{archive} does not take this kind of file, or not in this compression",
                    file=file,
                    remedy="Ask who runs it, or send it uncompressed",
                ) from error
            _checked(status, archive, "the archive did not store the file", file)


@contextmanager
def _associated(archive: Archive, kinds: Sequence[tuple[str, str | None]]) -> Any:
    try:
        from pynetdicom import AE, evt
    except ModuleNotFoundError as error:
        raise InputError(
            "talking to an archive needs pynetdicom, which is not installed",
            remedy='Install it with: pip install "radmark[dicom]"',
        ) from error
    tls = None
    if archive.tls_ca is not None:
        tls = (_trusting(archive.tls_ca, archive.tls_cert, archive.tls_key), archive.host)
    try:  # pynetdicom leaves its socket open where nobody listens, so that is found out first
        socket.create_connection((archive.host, archive.port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise ArchiveAwayError(
            f"the archive does not answer ({error.strerror or error})",
            value=str(archive),
            remedy="Check host and port, and whether the archive runs",
        ) from error
    entity: Any = AE(ae_title=archive.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _PATIENCE_S
    entity.connection_timeout = _PATIENCE_S
    for kind, syntax in kinds:
        entity.add_requested_context(kind, syntax) if syntax else entity.add_requested_context(kind)
    sockets: list[Any] = []

    def keep(event: Any) -> None:
        sockets.append(event.assoc.dul.socket.socket)

    association = entity.associate(
        archive.host, archive.port, ae_title=archive.called, tls_args=tls, evt_handlers=[(evt.EVT_CONN_OPEN, keep)]
    )

    def close() -> None:  # pynetdicom does only where the other side is still there
        association.dul.join(_PATIENCE_S)
        mine = getattr(association.dul.socket, "socket", None)  # of an archive that went away since it was tried above
        for line in (*sockets, *([] if mine is None else [mine])):
            line.close()

    if not association.is_established:
        close()
        raise ArchiveAwayError(
            "the archive refused us" if association.is_rejected else "the archive does not answer",
            value=str(archive),
            remedy="Check host, port and both AE titles; many archives have to be told ours first",
        )
    try:
        yield association
    except RuntimeError as error:  # what pynetdicom says of an association that the other side has ended
        raise ArchiveAwayError(
            "the archive hung up", value=str(archive), remedy="Try again, and ask who runs the archive"
        ) from error
    finally:
        association.release()
        close()


def _trusting(ca: Path, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca))
        if cert is not None:
            context.load_cert_chain(cert, key, password="")  # a locked key would ask at the terminal
    except OSError as error:
        raise InputError(
            f"the certificates cannot be used ({error.strerror or 'not as OpenSSL wants them'})",
            file=ca if cert is None else f"{ca}, {cert}",
            remedy="Give PEM files, and the key that belongs to the certificate",
        ) from error
    context.sslsocket_class = TlsLine
    return context


_LATER = range(0xA700, 0xA800)  # out of resources


def _checked(status: Any, archive: Archive, problem: str, file: Path | None = None) -> None:
    """0 is success; a status of Bxxx is a warning: stored all the same."""
    code = status.Status if "Status" in status else None
    if code is None or (code != 0 and code & 0xF000 != 0xB000):
        kind = ArchiveAwayError if code is None or code in _LATER else InputError
        raise kind(
            problem,
            file=file,
            value=f"{archive}, " + ("no answer" if code is None else f"status {code:#06x}"),
            remedy="Ask who runs the archive; the DICOM status says why",
        )
