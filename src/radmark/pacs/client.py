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

_PATIENCE_S = 30

# It reports to a logger as well; we raise, and a library does not print.
logging.getLogger("pynetdicom").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Archive:
    """Where an archive listens and by what names the two call each other.

    Args:
        host: name or address.
        port: of its DICOM service.
        called: the archive's AE title.
        calling: ours, which many archives have to be told beforehand.
        tls_ca: certificates to trust, which turns encryption on; None: none.
    """

    host: str = "127.0.0.1"
    port: int = 4242
    called: str = "ORTHANC"
    calling: str = "RADMARK"
    tls_ca: Path | None = None

    def __str__(self) -> str:
        return f"{self.called}@{self.host}:{self.port}"


def echo(archive: Archive) -> None:
    """Ask an archive whether it hears us.

    Raises:
        InputError: it does not answer, or refuses.
    """
    with _associated(archive, [("1.2.840.10008.1.1", None)]) as association:
        _checked(association.send_c_echo(), archive, "the archive did not answer the echo")


def send(archive: Archive, files: Sequence[Path]) -> None:
    """Store files, in their order, in one association.

    Raises:
        InputError: a file is no DICOM, the archive does not answer, or it refuses one; those before it are stored.
    """
    from pydicom import dcmread
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
    with _associated(archive, list(kinds)) as association:
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
        from pynetdicom import AE
    except ModuleNotFoundError as error:
        raise InputError(
            "talking to an archive needs pynetdicom, which is not installed",
            remedy='Install it with: pip install "radmark[dicom]"',
        ) from error
    try:  # pynetdicom leaves its socket open where nobody listens, so that is found out first
        socket.create_connection((archive.host, archive.port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise InputError(
            f"the archive does not answer ({error.strerror or error})",
            value=str(archive),
            remedy="Check host and port, and whether the archive runs",
        ) from error
    entity: Any = AE(ae_title=archive.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _PATIENCE_S
    entity.connection_timeout = _PATIENCE_S
    for kind, syntax in kinds:
        entity.add_requested_context(kind, syntax) if syntax else entity.add_requested_context(kind)
    tls = None
    if archive.tls_ca is not None:
        tls = (ssl.create_default_context(cafile=str(archive.tls_ca)), archive.host)
    association = entity.associate(archive.host, archive.port, ae_title=archive.called, tls_args=tls)
    if not association.is_established:
        raise InputError(
            "the archive refused us" if association.is_rejected else "the archive does not answer",
            value=str(archive),
            remedy="Check host, port and both AE titles; many archives have to be told ours first",
        )
    try:
        yield association
    finally:
        association.release()


def _checked(status: Any, archive: Archive, problem: str, file: Path | None = None) -> None:
    """0 is success; a status of Bxxx is a warning: stored all the same."""
    code = status.Status if "Status" in status else None
    if code is None or (code != 0 and code & 0xF000 != 0xB000):
        raise InputError(
            problem,
            file=file,
            value=f"{archive}, " + ("no answer" if code is None else f"status {code:#06x}"),
            remedy="Ask who runs the archive; the DICOM status says why",
        )
