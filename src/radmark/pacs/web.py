"""An archive over the web (DICOMweb): QIDO-RS finds, WADO-RS fetches, STOW-RS stores; by dicomweb-client.

Patient data go where the user said and nowhere else: unencrypted to this machine only, no proxy, no redirect. Nothing of the
patient is printed, logged or put into an error.
"""

import ipaddress
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radmark.core.errors import InputError
from radmark.pacs.client import ArchiveAwayError

AUTH_VARIABLE = "RADMARK_PACS_AUTH"
"""Environment variable that holds user:password."""

_PATIENCE_S = 60
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_PAGE = 500

logging.getLogger("dicomweb_client").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class WebArchive:
    """Where an archive's DICOMweb service is.

    Args:
        url: such as https://pacs.example.org/dicom-web.
        auth: user and password.
        insecure: unencrypted http to another machine is meant.
        tls_ca: certificates to trust; None: those every browser trusts.
        tls_cert: ours, for an archive that asks who we are.
        tls_key: its private key.

    Raises:
        InputError: the URL is not valid, holds a password, or would send patient data over a network unencrypted.
    """

    url: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    insecure: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = None, None
        if parts is None or not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise InputError(
                "not a valid DICOMweb URL",
                value=None if "@" in self.url else self.url,
                remedy="Give one such as https://pacs.example.org/dicom-web",
            )
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "a password does not belong in a URL, which others can read in the list of processes",
                remedy=f"Put user:password into the environment variable {AUTH_VARIABLE}, or into a file for --auth-file",
            )
        if parts.scheme == "http" and not self.insecure and not _is_here(host):
            raise InputError(
                "http would send patient data over the network unencrypted",
                value=self.url,
                remedy="Use https, or --insecure where the network itself is trusted",
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))

    def __str__(self) -> str:
        return self.url


def read_auth(file: Path | None) -> tuple[str, str] | None:
    """User and password from a file, or else from the environment; None where neither holds any.

    Raises:
        InputError: the file is not there, others may read it, or either is not user:password.
    """
    if file is None:
        text, where = os.environ.get(AUTH_VARIABLE), f"the environment variable {AUTH_VARIABLE}"
        if not text:
            return None
    else:
        where = str(file)
        try:
            if os.name == "posix" and file.stat().st_mode & 0o077:
                raise InputError(
                    "the password file is readable by other users", file=file, remedy=f"chmod 600 {file.name}"
                )
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "the password cannot be read", file=file, remedy="Give a text file: user:password"
            ) from error
    user, colon, password = text.partition(":")
    if not (user and colon):
        raise InputError("this is not user:password", file=where, remedy="Write both, with a colon between them")
    return user, password


def echo(archive: WebArchive) -> None:
    """Ask for one study, to see whether an archive answers.

    Raises:
        InputError: it does not, or refuses.
    """
    with _client(archive) as client:
        client.search_for_studies(limit=1, fields=["StudyInstanceUID"])


def send(archive: WebArchive, files: Sequence[Path]) -> None:
    """Store files, one by one, in their order.

    Raises:
        InputError: a file is not DICOM, the archive does not answer, or it refuses one; those before it are stored.
    """
    from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]
    from pydicom.errors import InvalidDicomError

    for file in files:
        try:
            ds = dcmread(file)
        except (InvalidDicomError, OSError, AttributeError) as error:
            raise InputError(
                "this is not a DICOM file that an archive could store", file=file, remedy="Leave it out"
            ) from error
        with _client(archive, file) as client:
            answer = client.store_instances([ds])
        refused: Sequence[Any] = answer.get("FailedSOPSequence") or ()
        if refused or not answer.get("ReferencedSOPSequence"):
            code = int(refused[0].get("FailureReason") or 0) if refused else 0
            raise _kind(code in range(0xA700, 0xA800))(
                "the archive did not store the file",
                file=file,
                value=f"{archive}, status {code:#06x}" if code else str(archive),
                remedy="Ask who runs the archive; the DICOM status says why",
            )


def fetch(
    archive: WebArchive,
    out: Path,
    *,
    study: str | None = None,
    series: str | None = None,
    instance: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Fetch a study, a series or one instance into a folder that only its owner may open.

    Args:
        archive: where.
        out: a file for each instance, named by its SOP Instance UID; all of them or none.
        study: its Instance UID.
        series: its Instance UID.
        instance: its SOP Instance UID; at least one of the three.
        overwrite: replace files of these names.

    Raises:
        InputError: a UID is not valid, nothing is found, the archive does not answer, or a file is there already.
    """
    wanted = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    filters = {keyword: uid for keyword, uid in wanted.items() if uid is not None}
    if not filters:
        raise InputError("nothing is requested", remedy="Give --study, --series or --instance")
    for keyword, uid in filters.items():
        if not _is_uid(uid):
            raise InputError(f"not a valid {keyword}", value=uid, remedy="Give numbers with points between them")
    with _client(archive) as client:
        found = _found(client, filters)
    if not found:
        raise InputError("the archive has no such object", value=str(archive), remedy="Check the UID and the archive")
    files = [out / f"{uid}.dcm" for _, _, uid in found]
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise InputError(
            "the file exists already", file=there[0], remedy="Give another --out, or --overwrite to replace it"
        )
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        out.chmod(0o700)
        with tempfile.TemporaryDirectory(dir=out, prefix=".radmark-") as waiting:
            for (study_uid, series_uid, uid), file in zip(found, files, strict=True):
                with _client(archive) as client:
                    ds = client.retrieve_instance(study_uid, series_uid, uid)
                    if str(ds.SOPInstanceUID) != uid:
                        raise ValueError("another instance")
                    ds.save_as(Path(waiting) / file.name, enforce_file_format=True)
            for file in files:
                os.replace(Path(waiting) / file.name, file)
    except OSError as error:
        raise InputError(
            f"the folder cannot be written: {error.strerror}", file=out, remedy="Give another --out"
        ) from error
    return files


def _found(client: Any, filters: dict[str, str]) -> list[tuple[str, str, str]]:
    """Study, series and instance UID of all that fits; an archive answers in pages."""
    study, series = filters.get("StudyInstanceUID"), filters.get("SeriesInstanceUID")
    found: dict[tuple[str, str, str], None] = {}
    while True:
        page = client.search_for_instances(
            study,
            series if study is not None else None,
            search_filters=filters,
            fields=["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"],
            limit=_PAGE,
            offset=len(found),
        )
        before = len(found)
        for entry in page:
            uids = tuple(str(entry[tag]["Value"][0]) for tag in ("0020000D", "0020000E", "00080018"))
            if not all(map(_is_uid, uids)):  # they become file names
                raise ValueError("a UID that is none")
            found[uids[0], uids[1], uids[2]] = None
        if len(found) == before:
            return list(found)


def _is_uid(text: str) -> bool:
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def _is_here(host: str) -> bool:
    """Whether a name or address is this machine's own; a name that would have to be looked up is not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kind(later: bool) -> type[InputError]:
    return ArchiveAwayError if later else InputError


@contextmanager
def _client(archive: WebArchive, file: Path | None = None) -> Generator[Any]:
    """A session; what goes wrong in it becomes an `InputError` that repeats nothing of what was said."""
    try:
        import requests
        from dicomweb_client.web import DICOMwebClient
    except ModuleNotFoundError as error:
        raise InputError(
            "DICOMweb needs dicomweb-client, which is not installed",
            remedy='Install it with: pip install "radmark[dicom]"',
        ) from error

    def problem(words: str, *, later: bool) -> InputError:
        return _kind(later)(words, file=file, value=str(archive), remedy="Check address, password and certificates")

    with requests.Session() as session:
        session.trust_env = False  # no proxy, and no password from a file that the user did not name
        session.max_redirects = 0
        session.auth = archive.auth
        for given in (archive.tls_ca, archive.tls_cert, archive.tls_key):
            if given is not None and not given.is_file():
                raise InputError("there is no such certificate or key", file=given, remedy="Check the path")
        session.verify = True if archive.tls_ca is None else str(archive.tls_ca)
        if archive.tls_cert is not None:
            cert = str(archive.tls_cert)
            session.cert = cert if archive.tls_key is None else (cert, str(archive.tls_key))
        client = DICOMwebClient(archive.url, session=session, timeout=_PATIENCE_S)
        client.set_http_retry_params(retry=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's quote values
                yield client
        except requests.exceptions.SSLError as error:
            raise problem("the archive and we do not trust each other's certificates", later=True) from error
        except requests.exceptions.TooManyRedirects as error:
            raise problem("the archive sends us elsewhere, and patient data do not follow", later=True) from error
        except requests.HTTPError as error:
            code = 0 if error.response is None else error.response.status_code
            refused = {401: "the archive wants a password, or another one", 403: "the archive does not allow this"}
            later = code >= 500 or code in (401, 403, 404, 407, 408, 425, 429)
            raise problem(f"{refused.get(code, 'the archive refused')} (HTTP {code})", later=later) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise problem("the archive does not answer", later=True) from error
        except InputError:
            raise
        except OSError as error:
            if not isinstance(error, requests.RequestException):
                raise  # our own disk
            raise problem("the archive answers in a way that is not DICOMweb", later=True) from error
        except Exception as error:  # whatever a stranger's answer makes of a parser
            raise problem(
                f"the archive answers in a way that is not DICOMweb ({type(error).__name__})", later=False
            ) from error
