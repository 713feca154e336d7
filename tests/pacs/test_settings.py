"""`pacs.toml`: what it says, what wins over it, and what it may not say."""

from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.pacs.client import Archive
from radmark.pacs.settings import ArchiveSettings, ListenSettings, over, read_settings
from radmark.pacs.web import WebArchive


def written(folder: Path, text: str) -> Path:
    path = folder / "pacs.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read_and_paths_are_meant_from_the_files_own_folder(tmp_path: Path) -> None:
    settings = read_settings(
        written(
            tmp_path,
            """
            [archive]
            host = "pacs.example.org"
            port = 104
            called = "ARCHIVE"
            calling = "US"
            tls_ca = "ca.pem"
            tls_cert = "us.pem"
            tls_key = "/etc/us.key"
            [listen]
            port = 11112
            bind = "0.0.0.0"
            ae_title = "US"
            accept = ["A", "B"]
            spool = "spool"
            audit = "audit.jsonl"
            frame = 2
            tls_cert = "door.pem"
            tls_key = "door.key"
            tls_ca = "callers.pem"
            """,
        )
    )
    archive = settings.archive.archive()
    ca, cert = tmp_path / "ca.pem", tmp_path / "us.pem"
    assert archive == Archive("pacs.example.org", 104, "ARCHIVE", "US", ca, cert, Path("/etc/us.key"))
    door = settings.listen.door()
    assert (door.port, door.bind, door.ae_title, door.accept) == (11112, "0.0.0.0", "US", ("A", "B"))
    assert (door.tls_cert, door.tls_key, door.tls_ca) == tuple(
        tmp_path / name for name in ("door.pem", "door.key", "callers.pem")
    )
    assert (settings.listen.spool, settings.listen.audit) == (tmp_path / "spool", tmp_path / "audit.jsonl")
    assert settings.listen.frame == 2


def test_a_flag_wins_over_the_file_and_what_neither_says_has_its_default(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, '[archive]\nport = 104\ncalling = "US"\n[listen]\nport = 1\n'))
    assert over(settings.archive, ArchiveSettings(port=105)).archive() == Archive(port=105, calling="US")
    door = over(settings.listen, ListenSettings(ae_title="X")).door()
    assert (door.port, door.bind, door.ae_title) == (1, "127.0.0.1", "X")
    assert read_settings(None).archive.archive() == Archive()


def test_an_archive_on_the_web_takes_its_password_from_the_named_file(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("anna:word", encoding="utf-8")
    (tmp_path / "auth").chmod(0o600)
    settings = read_settings(written(tmp_path, '[archive]\nurl = "https://x.example.org/"\nauth_file = "auth"\n'))
    assert settings.archive.archive() == WebArchive("https://x.example.org", ("anna", "word"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[archives]\n", "no such key.*Did you mean archive"),
        ("port = 1\n", "no such key"),
        ("[archive]\npassword = 'x'\n", "no such key"),
        ("[archive]\nport = '104'\n", "whole number"),
        ("[archive]\nport = true\n", "whole number"),
        ("[listen]\naccept = 'A'\n", "list of texts"),
        ("[listen\n", "not valid TOML"),
    ],
)
def test_what_the_file_cannot_mean_is_refused_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_settings(written(tmp_path, text))
    assert "pacs.toml" in str(caught.value)


def test_an_archive_in_two_places_and_a_listener_without_a_port_are_refused() -> None:
    with pytest.raises(InputError, match="either"):
        ArchiveSettings(url="https://x.example.org", port=104).archive()
    with pytest.raises(InputError, match="by which to know the archive"):
        ArchiveSettings(tls_cert=Path("us.pem")).archive()
    with pytest.raises(InputError, match="DICOMweb"):
        ArchiveSettings(auth_file=Path("auth")).archive()
    with pytest.raises(InputError, match="no port"):
        ListenSettings().door()
