"""`pacs.toml`: where the archive is and how to listen, so that a command line need not say it each time.

    [archive]
    url = "https://pacs.example.org/dicom-web"   # or host, port and called
    auth_file = "pacs.password"

    [listen]
    port = 11112
    spool = "/var/spool/radmark"

A key is the flag of that name; a flag wins. Paths are meant from the file's own folder.
"""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from radmark.core.errors import InputError
from radmark.pacs.client import Archive
from radmark.pacs.web import WebArchive, read_auth

if TYPE_CHECKING:
    from radmark.pacs.listener import Door


@dataclass(frozen=True)
class ArchiveSettings:
    """What is said of an archive; None: nothing."""

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
            InputError: it is said to be in two places, or what is said cannot be.
        """
        if self.url is None:
            if self.auth_file is not None or self.insecure:
                raise InputError("a password, and --insecure, are for an archive on the web", remedy="Give its address")
            said = {f.name: getattr(self, f.name) for f in dataclasses.fields(Archive)}
            if self.tls_cert is not None and self.tls_ca is None:
                raise InputError(
                    "a certificate of ours is given, and none to know the archive by", remedy="Give tls-ca as well"
                )
            return Archive(**{name: value for name, value in said.items() if value is not None})
        if self.host is not None or self.port is not None or self.called is not None:
            raise InputError(
                "an archive is either at an address of the web or at host and port",
                value=None if "@" in self.url else self.url,
                remedy="Say one of them",
            )
        return WebArchive(
            self.url, read_auth(self.auth_file), bool(self.insecure), self.tls_ca, self.tls_cert, self.tls_key
        )


@dataclass(frozen=True)
class ListenSettings:
    """What is said of how to listen; None: nothing."""

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
            InputError: no port is said, or an AE title is none.
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
        InputError: it is not there, no TOML, or says something unknown or of the wrong kind.
    """
    if path is None:
        return Settings()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"the settings cannot be read ({why})", file=path, remedy="Give a TOML file") from error
    unknown = next((name for name, table in tree.items() if name not in _TABLES or not isinstance(table, dict)), None)
    if unknown is not None:
        raise InputError("the file has an unknown table", file=path, value=unknown, remedy="Use [archive] and [listen]")
    return Settings(**{name: _TABLES[name](**_values(name, table, path)) for name, table in tree.items()})


_TABLES: dict[str, Any] = {"archive": ArchiveSettings, "listen": ListenSettings}


def _values(name: str, table: dict[str, Any], path: Path) -> dict[str, Any]:
    kinds: dict[str, Any] = {f.name: get_args(f.type)[0] for f in dataclasses.fields(_TABLES[name])}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in kinds:
            raise InputError(
                f"[{name}] has no such setting", file=path, value=key, remedy=f"Use one of: {', '.join(kinds)}"
            )
        kind = kinds[key]
        if kind in (str, int, bool):
            fits, wanted = type(value) is kind, {str: "a text", int: "a whole number", bool: "true or false"}[kind]
        elif kind is Path:
            fits, wanted = isinstance(value, str), "a path"
            value = path.parent / value if fits else value
        else:
            fits, wanted = isinstance(value, list) and all(isinstance(v, str) for v in value), "a list of texts"
            value = tuple(value) if fits else value
        if not fits:
            raise InputError(
                f"{name}.{key} has a value it cannot take", file=path, value=value, remedy=f"Give {wanted}"
            )
        values[key] = value
    return values
