"""An archive over the web: a real Orthanc, and a stub where it matters what exactly is asked."""

import contextlib
import io
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from certificates import Authority
from dicom_files import film
from orthanc import Orthanc
from radmark import cli
from radmark.core import InputError
from radmark.pacs.client import ArchiveAwayError
from radmark.pacs.web import AUTH_VARIABLE, WebArchive, echo, fetch, read_auth, send

PIXELS = np.arange(40 * 30, dtype=np.uint16).reshape(40, 30)


@pytest.fixture
def archive(orthanc: Orthanc) -> WebArchive:
    return WebArchive(f"{orthanc.http}/dicom-web")


@pytest.fixture
def study(tmp_path: Path, archive: WebArchive) -> list[Path]:
    """Three films of one study in the archive, two of them in one series."""
    study, series = generate_uid(), generate_uid()
    shared: dict[str, Any] = {"SeriesInstanceUID": series}
    files = [film(tmp_path / f"{i}.dcm", PIXELS + i, StudyInstanceUID=study, **(shared if i else {})) for i in range(3)]
    send(archive, files)
    return files


def test_what_was_stored_over_the_web_is_fetched_back_with_its_pixels(
    tmp_path: Path, archive: WebArchive, study: list[Path]
) -> None:
    echo(archive)
    ds = [pydicom.dcmread(file) for file in study]
    for i, (asked, expected) in enumerate(
        [
            ({"study": ds[0].StudyInstanceUID}, [0, 1, 2]),
            ({"series": ds[1].SeriesInstanceUID}, [1, 2]),
            ({"study": ds[0].StudyInstanceUID, "series": ds[1].SeriesInstanceUID}, [1, 2]),
            ({"instance": ds[2].SOPInstanceUID}, [2]),
        ]
    ):
        out = tmp_path / f"out{i}"
        files = fetch(archive, out, **asked)
        assert {file.name for file in out.iterdir()} == {f"{ds[k].SOPInstanceUID}.dcm" for k in expected}
        assert sorted(files) == sorted(out.iterdir())
        assert stat.S_IMODE(out.stat().st_mode) == 0o700
        for k in expected:
            got = pydicom.dcmread(out / f"{ds[k].SOPInstanceUID}.dcm")
            assert (got.pixel_array == PIXELS + k).all()
            assert got.PatientID == ds[k].PatientID


def test_a_file_that_is_there_is_not_replaced_in_silence(
    tmp_path: Path, archive: WebArchive, study: list[Path]
) -> None:
    uid = pydicom.dcmread(study[0]).SOPInstanceUID
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{uid}.dcm").write_bytes(b"mine")
    whole = str(pydicom.dcmread(study[0]).StudyInstanceUID)
    with pytest.raises(InputError, match="exists already"):
        fetch(archive, out, study=whole)
    assert [(f.name, f.read_bytes()) for f in out.iterdir()] == [(f"{uid}.dcm", b"mine")]
    fetch(archive, out, study=whole, overwrite=True)
    assert pydicom.dcmread(out / f"{uid}.dcm").SOPInstanceUID == uid
    assert len(list(out.iterdir())) == 3


def test_a_fetch_that_breaks_off_leaves_no_file(
    tmp_path: Path, archive: WebArchive, study: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dicomweb_client.web import DICOMwebClient
    from requests import exceptions

    plain, asked = DICOMwebClient.retrieve_instance, []

    def breaks(client: DICOMwebClient, study: str, series: str, instance: str) -> pydicom.Dataset:
        asked.append(instance)
        if len(asked) == 3:
            raise exceptions.ConnectionError("PLANTED")
        return plain(client, study, series, instance)

    monkeypatch.setattr(DICOMwebClient, "retrieve_instance", breaks)
    with pytest.raises(ArchiveAwayError, match="does not answer") as caught:
        fetch(archive, tmp_path / "out", study=str(pydicom.dcmread(study[0]).StudyInstanceUID))
    assert "PLANTED" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_there_and_what_is_no_uid_is_said(tmp_path: Path, archive: WebArchive) -> None:
    with pytest.raises(InputError, match="no such object"):
        fetch(archive, tmp_path / "out", study="1.2.3.4")
    questions: tuple[dict[str, Any], ...] = ({}, {"study": "../../etc"}, {"instance": "1" * 65}, {"series": "*"})
    for asked in questions:
        with pytest.raises(InputError, match=r"nothing is requested|not a valid"):
            fetch(archive, tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ArchiveAwayError, match="does not answer"):
        echo(WebArchive("http://127.0.0.1:1/dicom-web"))


def test_http_leaves_this_machine_only_where_that_is_meant_and_no_password_stands_in_an_address() -> None:
    for url in (
        "http://localhost/dicom-web",
        "http://127.0.0.2:8042/x",
        "http://[::1]/x",
        "https://pacs.example.org/x",
    ):
        WebArchive(url)
    for url in ("http://pacs.example.org/x", "http://10.0.0.1/x", "http://localhost.example.org", "http://0.0.0.0/x"):
        with pytest.raises(InputError, match="unencrypted"):
            WebArchive(url)
        WebArchive(url, insecure=True)
    with pytest.raises(InputError, match="password") as caught:
        WebArchive("https://user:PLANTED@pacs.example.org/x")
    assert "PLANTED" not in str(caught.value)
    for url in ("pacs.example.org", "ftp://pacs.example.org", "https://", "https://pacs.example.org/x?y=1"):
        with pytest.raises(InputError, match="not a valid DICOMweb URL"):
            WebArchive(url)
    assert "secret" not in repr(WebArchive("https://pacs.example.org", ("user", "secret")))


class Stub(BaseHTTPRequestHandler):
    """Answers as it is told, and notes what it was asked."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    code: ClassVar[int] = 200
    sent: ClassVar[bytes] = b"[]"
    kind: ClassVar[str] = "application/dicom+json"
    elsewhere: ClassVar[str | None] = None

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.code)
        if self.elsewhere is not None:
            self.send_header("Location", self.elsewhere)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.sent)))
        self.end_headers()
        self.wfile.write(self.sent)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def stub(**answers: object) -> Iterator[tuple[type[Stub], str]]:
    kind = type("Answers", (Stub,), {"asked": [], **answers})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kind, f"http://127.0.0.1:{server.server_port}/dicom-web"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_user_and_password_come_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_auth(None) is None
    monkeypatch.setenv(AUTH_VARIABLE, "anna:pa:ss")
    assert read_auth(None) == ("anna", "pa:ss")
    file = tmp_path / "auth"
    file.write_text("bert:word\n", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(InputError, match="readable by other users"):
        read_auth(file)
    file.chmod(0o600)
    assert read_auth(file) == ("bert", "word")
    file.write_text("PLANTED", encoding="utf-8")
    with pytest.raises(InputError, match="not user:password") as caught:
        read_auth(file)
    assert "PLANTED" not in str(caught.value)
    with stub() as (kind, url):
        echo(WebArchive(url, ("bert", "word")))
    assert kind.asked[0][1] == "Basic YmVydDp3b3Jk"  # base64 of bert:word


def test_no_proxy_and_no_redirect_leads_patient_data_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stub() as (other, there), stub(code=307, elsewhere=there) as (_, url):
        monkeypatch.setenv("http_proxy", there)
        monkeypatch.setenv("HTTP_PROXY", there)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(ArchiveAwayError, match="sends us elsewhere"):
            echo(WebArchive(url))
        with pytest.raises(ArchiveAwayError, match="sends us elsewhere"):
            send(WebArchive(url), [film(tmp_path / "film.dcm")])
    assert other.asked == []


@pytest.mark.parametrize(
    ("code", "away"), [(401, True), (403, True), (404, True), (429, True), (500, True), (503, True), (400, False), (409, False)]
)  # fmt: skip
def test_a_refusal_is_for_now_or_for_this_file(tmp_path: Path, code: int, away: bool) -> None:
    with stub(code=code, sent=b"PLANTED") as (_, url), pytest.raises(InputError, match=str(code)) as caught:
        send(WebArchive(url), [film(tmp_path / "film.dcm")])
    assert isinstance(caught.value, ArchiveAwayError) == away
    assert "PLANTED" not in str(caught.value)


@pytest.mark.parametrize("sent", [b"", b"PLANTED", b"{}", b'[{"0020000D": {}}]', b'{"00081198": {"vr": "SQ"}}'])
def test_an_answer_that_makes_no_sense_is_said_without_repeating_it(tmp_path: Path, sent: bytes) -> None:
    with stub(sent=sent) as (_, url):
        for ask in (
            lambda: send(WebArchive(url), [film(tmp_path / "film.dcm")]),
            lambda: fetch(WebArchive(url), tmp_path / "out", study="1.2.3"),
        ):
            with pytest.raises(InputError) as caught:
                ask()
            assert "PLANTED" not in str(caught.value)


def test_an_instance_the_archive_reports_as_failed_is_an_error_though_the_answer_is_200(tmp_path: Path) -> None:
    for reason, away in ((0xA700, True), (0xA900, False)):
        sent = f'{{"00081198": {{"vr": "SQ", "Value": [{{"00081197": {{"vr": "US", "Value": [{reason}]}}}}]}}}}'
        with stub(sent=sent.encode()) as (_, url), pytest.raises(InputError, match=f"{reason:#06x}") as caught:
            send(WebArchive(url), [film(tmp_path / "film.dcm")])
        assert isinstance(caught.value, ArchiveAwayError) == away


def test_with_https_the_archive_must_show_a_certificate_of_those_we_trust(tmp_path: Path) -> None:
    import ssl

    ours, others = Authority.made(tmp_path / "ours"), Authority.made(tmp_path / "others")
    archive, us = ours.signed("archive"), ours.signed("us")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ours.cert))
    context.load_cert_chain(archive.cert, archive.key)
    context.verify_mode = ssl.CERT_REQUIRED
    kind = type("Answers", (Stub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.handle_error = lambda *_, **__: None
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_port}/dicom-web"
        echo(WebArchive(url, tls_ca=ours.cert, tls_cert=us.cert, tls_key=us.key))
        assert len(kind.asked) == 1
        for wrong in (
            WebArchive(url, tls_ca=others.cert, tls_cert=us.cert, tls_key=us.key),
            WebArchive(url, tls_cert=us.cert, tls_key=us.key),
            WebArchive(url, tls_ca=ours.cert),
        ):
            with pytest.raises(ArchiveAwayError):
                echo(wrong)
        assert len(kind.asked) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_command_line_goes_over_the_web_and_never_names_the_patient(orthanc: Orthanc, tmp_path: Path) -> None:
    source, said = film(tmp_path / "film.dcm", PIXELS), io.StringIO()
    url = f"{orthanc.http}/dicom-web"
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert cli.main(["pacs", "echo", "--url", url]) == 0
        assert cli.main(["pacs", "send", str(source), "--url", url]) == 0
        uid = str(pydicom.dcmread(source).StudyInstanceUID)
        words = ["pacs", "fetch", "--url", url, "--study", uid, "--out", str(tmp_path / "out")]
        assert cli.main(words) == 0
        assert cli.main(words) == 2
        assert cli.main(["pacs", "fetch", "--study", uid, "--out", str(tmp_path / "other")]) == 2
        config = tmp_path / "pacs.toml"
        config.write_text(f'[archive]\nurl = "{url}"\n', encoding="utf-8")
        assert cli.main(["pacs", "echo", "--config", str(config)]) == 0
    assert "1 file in " in said.getvalue()
    assert "exists already" in said.getvalue()
    assert "planted" not in said.getvalue().lower()
    assert [file.name for file in (tmp_path / "out").iterdir()] == [f"{pydicom.dcmread(source).SOPInstanceUID}.dcm"]
