"""To a real archive and back: what was sent is found through DICOMweb, with the same numbers."""

import contextlib
import gc
import io
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
import pytest
from PIL import Image
from pynetdicom import AE, evt

from certificates import Authority
from dicom_files import DX, film
from orthanc import Orthanc, running
from radmark import cli
from radmark.core import Frame, InputError, Marks, Scheme
from radmark.core.marks import Model
from radmark.io.dicom_pr import write_dicom_pr
from radmark.io.dicom_sc import write_dicom_sc
from radmark.io.dicom_sr import Reported, write_dicom_sr
from radmark.pacs.client import Archive, ArchiveAwayError, echo, send

SCHEME = Scheme.from_names(("teardrop_right", "teardrop_left"))
SR = "1.2.840.10008.5.1.4.1.1.88.33"
POINTS = np.array([[12.25, 40.5], [55.0, 41.75]])


def test_an_archive_that_listens_answers_and_one_that_does_not_is_said_not_to(orthanc: Orthanc) -> None:
    echo(orthanc.dicom)
    with pytest.raises(InputError, match="does not answer"):
        echo(Archive(port=1))
    with pytest.raises(InputError, match="refused us"):
        echo(Archive(port=orthanc.dicom.port, called="SOMEBODY"))


def test_a_film_and_its_report_are_stored_and_found_with_the_same_numbers(orthanc: Orthanc, tmp_path: Path) -> None:
    source = film(tmp_path / "film.dcm", np.zeros((80, 70), np.uint16))
    marks = Marks.present(SCHEME, Frame(70, 80), POINTS, author=Model("", "m"), confidence=np.array([0.9, 0.8]))
    line = Reported("inter-teardrop distance", 42.76834, "px", "POLYLINE", POINTS)
    report = tmp_path / "report.dcm"
    write_dicom_sr(report, source, marks, measurements=[line])
    send(orthanc.dicom, [source, report])

    study = pydicom.dcmread(source).StudyInstanceUID
    instances = orthanc.get(f"/dicom-web/studies/{study}/instances?includefield=00080016")
    assert {i["00080016"]["Value"][0] for i in instances} == {pydicom.dcmread(f).SOPClassUID for f in (source, report)}
    (series,) = (i["0020000E"]["Value"][0] for i in instances if i["00080016"]["Value"] == [SR])
    (stored,) = orthanc.get(f"/dicom-web/studies/{study}/series/{series}/metadata")
    spots = [values for values in under(stored, "00700022") if len(values) == 2]
    assert spots == (POINTS + 0.5).tolist()  # from the pixel's centre to DICOM's corner
    assert [42.7683] in under(stored, "0040A30A")


def test_a_presentation_state_and_a_secondary_capture_are_stored_beside_their_film(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.dcm", np.zeros((80, 70), np.uint16))
    marks = Marks.present(SCHEME, Frame(70, 80), POINTS, author=Model("", "m"), confidence=np.array([0.9, 0.8]))
    picture = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    line = Reported("inter-teardrop distance", 42.76834, "px", "POLYLINE", POINTS)
    write_dicom_pr(tmp_path / "pr.dcm", source, marks, measurements=[line])
    write_dicom_sc(tmp_path / "sc.dcm", source, marks.frame, picture, author="m")
    send(orthanc.dicom, [source, tmp_path / "pr.dcm", tmp_path / "sc.dcm"])

    study = pydicom.dcmread(source).StudyInstanceUID
    everything = orthanc.get(f"/dicom-web/studies/{study}/metadata")
    stored = {i["00080060"]["Value"][0]: i for i in everything if "00080060" in i}
    assert {"PR", "OT"} <= set(stored)
    assert (POINTS + 0.5).tolist()[0] in under(stored["PR"], "00700022")
    assert stored["OT"]["00280301"]["Value"] == ["YES"]
    uid = stored["OT"]["00080018"]["Value"][0]
    instances = [orthanc.get(f"/instances/{name}") for name in orthanc.get("/instances")]
    (found,) = (i for i in instances if i["MainDicomTags"]["SOPInstanceUID"] == uid)
    with urllib.request.urlopen(f"{orthanc.http}/instances/{found['ID']}/preview", timeout=10) as answer:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.read()))), picture)


def test_the_command_line_sends_and_says_what_it_did_without_the_patient(orthanc: Orthanc, tmp_path: Path) -> None:
    source = film(tmp_path / "film.dcm", np.zeros((80, 70), np.uint16))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert cli.main(["pacs", "send", str(source), "--port", str(orthanc.dicom.port)]) == 0
        assert cli.main(["pacs", "echo", "--port", str(orthanc.dicom.port)]) == 0
        (tmp_path / "note.txt").write_text("no film", encoding="utf-8")
        assert cli.main(["pacs", "send", str(tmp_path / "note.txt"), "--port", str(orthanc.dicom.port)]) == 2
    assert "1 file" in said.getvalue()
    assert "note.txt" in said.getvalue()
    assert "planted" not in said.getvalue().lower()


def test_an_archive_with_tls_takes_those_it_knows_and_is_called_only_where_it_is_known(tmp_path: Path) -> None:
    ours, others = Authority.made(tmp_path / "ours"), Authority.made(tmp_path / "others")
    archive, us, stranger = ours.signed("archive"), ours.signed("us"), others.signed("stranger")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with running(
        folder,
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(archive.cert),
        DicomTlsPrivateKey=str(archive.key),
        DicomTlsTrustedCertificates=str(ours.cert),
    ) as found:
        known = replace(found.dicom, tls_ca=ours.cert, tls_cert=us.cert, tls_key=us.key)
        echo(known)
        send(known, [film(tmp_path / "film.dcm")])
        assert len(found.get("/instances")) == 1
        for wrong in (
            found.dicom,
            replace(known, tls_ca=others.cert),
            replace(known, tls_cert=stranger.cert, tls_key=stranger.key),
            replace(known, tls_cert=None, tls_key=None),
        ):
            with pytest.raises(ArchiveAwayError):
                echo(wrong)


def test_an_archive_that_hangs_up_in_the_middle_is_away(tmp_path: Path) -> None:
    def hang_up(event: Any) -> int:
        event.assoc.abort()
        return 0

    entity: Any = AE("ARCHIVE")
    entity.add_supported_context(DX)
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, hang_up)])
    try:
        there = Archive(port=server.socket.getsockname()[1], called="ARCHIVE")
        with pytest.raises(ArchiveAwayError):
            send(there, [film(tmp_path / "a.dcm"), film(tmp_path / "b.dcm")])
        gc.collect()  # a socket left open would be an error here
    finally:
        server.shutdown()


def under(tree: Any, tag: str) -> list[list[Any]]:
    """The values of an attribute wherever it stands in DICOM's JSON, from top to bottom."""
    if isinstance(tree, list):
        return [found for branch in cast("list[Any]", tree) for found in under(branch, tag)]
    if not isinstance(tree, dict):
        return []
    branches = cast("dict[str, Any]", tree)
    own = [branches[tag]["Value"]] if tag in branches else []
    return own + [found for branch in branches.values() for found in under(branch, tag)]
