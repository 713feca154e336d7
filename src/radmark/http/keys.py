"""API keys: who may ask. The file holds a name and a sha256 a line; the keys themselves are with their owners only.

A key is 256 random bits, so a plain hash does: there is nothing to guess, and no password to protect from a dictionary.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import Scope

from radmark.core.errors import InputError
from radmark.http.errors import Refused
from radmark.http.gate import Admit
from radmark.io.atomic import write_text

_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def read_keys(path: Path) -> dict[str, str]:
    """Name -> sha256 of the key, in hex. Empty lines and lines that begin with # are skipped.

    Raises:
        InputError: there is no such file, a line is no name and hash, or there is none at all.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "the file of API keys cannot be read", file=path, remedy="Make one with radmark serve --new-key NAME"
        ) from error
    keys: dict[str, str] = {}
    for row, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or not _NAME.fullmatch(words[0]) or not _HASH.fullmatch(words[1]) or words[0] in keys:
            # The line itself is not repeated: somebody may have put a key where its hash belongs.
            raise InputError(
                "the line is not a new name and the sha256 of a key",
                file=path,
                row=row,
                remedy="Let radmark serve --new-key NAME write it",
            )
        keys[words[0]] = words[1]
    if not keys:
        raise InputError("there is no key in the file", file=path, remedy="Make one with radmark serve --new-key NAME")
    return keys


def add_key(path: Path, name: str) -> str:
    """A new key for somebody, its hash written to the file. The key is told this once.

    Raises:
        InputError: the name is taken or no name, or the file holds something else.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "this is no name for a key", value=name, remedy="Use up to 40 letters, digits, dots, dashes and underscores"
        )
    keys = read_keys(path) if path.exists() else {}
    if name in keys:
        raise InputError("a key of this name exists already", value=name, remedy="Give another name")
    key = f"radmark_{secrets.token_urlsafe(32)}"
    before = path.read_text(encoding="utf-8").rstrip("\n") + "\n" if path.exists() else ""
    write_text(path, f"{before}{name} {_hashed(key)}\n")
    return key


def owner(keys: Mapping[str, str], key: str) -> str | None:
    """Whose key this is; None where it is nobody's. Takes as long for a wrong one as for a right one."""
    asked = _hashed(key)
    found: str | None = None
    for name, known in keys.items():
        if hmac.compare_digest(asked, known):
            found = name
    return found


def owners_only(keys: Mapping[str, str], free: Collection[str]) -> Admit:
    """Let in who has a key, and note in the scope whose it is (`radmark.key`).

    Args:
        keys: name -> sha256; where there are none, anybody is let in.
        free: paths that need no key.
    """

    async def admit(scope: Scope, headers: Headers) -> None:
        if not keys or scope["path"] in free:
            return
        given = headers.get("authorization", "")
        key = given[7:] if given[:7].lower() == "bearer " else headers.get("x-api-key", "")
        scope["radmark.key"] = owner(keys, key.strip())
        if scope["radmark.key"] is None:
            raise Refused(
                401,
                "there is no such API key" if key else "an API key is needed",
                "Send a header Authorization: Bearer KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return admit


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
