"""`pacs.toml`: where the archive is and how to listen, so that a command line need not say it each time.

    [archive]
    url = "https://pacs.example.org/dicom-web"   # or host, port and called
    auth_file = "pacs.password"

    [listen]
    port = 11112
    spool = "/var/spool/radmark"

A key is the flag of that name; a flag wins. Paths are relative to the file's own folder.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from radmark.core.errors import InputError
from radmark.pacs.client import Archive
from radmark.pacs.web import WebArchive, read_auth
from radmark.trees import converted, read_toml

if TYPE_CHECKING:
    from radmark.pacs.listener import Door


@dataclass(frozen=True)
class ArchiveSettings:
    """What the settings say of an archive; None: nothing."""

    host: str | None = None
    port: int | None = None
    called: str | None = None
    calling: str | None = None
    url: str | None = None
    auth_file: Path | None = None
    insecure: bool | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def named(self) -> bool:
        """Whether any archive is meant."""
        return any(value is not None for value in (self.host, self.port, self.called, self.url))

    def archive(self) -> Archive | WebArchive:
        """The archive itself; what was not said has `Archive`'s own defaults.

        Raises:
            InputError: it is given in two places, or a value is not valid.
        """
        if self.url is None:
            if self.auth_file is not None or self.insecure:
                raise InputError(
                    "a password, and --insecure, are for a DICOMweb archive", remedy="Give its address with --url"
                )
            said = {f.name: getattr(self, f.name) for f in dataclasses.fields(Archive)}
            if self.tls_cert is not None and self.tls_ca is None:
                raise InputError(
                    "our certificate is given, but none by which to know the archive", remedy="Give --tls-ca as well"
                )
            return Archive(**{name: value for name, value in said.items() if value is not None})
        if self.host is not None or self.port is not None or self.called is not None:
            raise InputError(
                "an archive has either a URL, or a host and port",
                value=None if "@" in self.url else self.url,
                remedy="Give one of them",
            )
        return WebArchive(
            self.url, read_auth(self.auth_file), bool(self.insecure), self.tls_ca, self.tls_cert, self.tls_key
        )


@dataclass(frozen=True)
class ListenSettings:
    """What the settings say of how to listen; None: nothing."""

    port: int | None = None
    bind: str | None = None
    ae_title: str | None = None
    accept: tuple[str, ...] | None = None
    spool: Path | None = None
    audit: Path | None = None
    frame: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    def door(self) -> "Door":
        """Where to listen.

        Raises:
            InputError: no port is given, or an AE title is not valid.
        """
        from radmark.pacs.listener import Door

        if self.port is None:
            raise InputError("no port is given to listen on", remedy="Give --port, such as 11112")
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(Door)}
        return Door(**{name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True)
class Settings:
    """The whole file."""

    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    listen: ListenSettings = field(default_factory=ListenSettings)


Table = TypeVar("Table", ArchiveSettings, ListenSettings)


def over(file: Table, flags: Table) -> Table:
    """What the flags say, and where they say nothing, what the file says."""
    said = {f.name: getattr(flags, f.name) for f in dataclasses.fields(flags)}
    return dataclasses.replace(file, **{name: value for name, value in said.items() if value is not None})


def read_settings(path: Path | None) -> Settings:
    """Read the file; None: nothing is said.

    Raises:
        InputError: it is not there, not TOML, or says something unknown or of the wrong kind.
    """
    if path is None:
        return Settings()
    tree = read_toml("file of settings", path)
    return converted(tree, Settings, file=path, what="file of settings", base=path.parent)
