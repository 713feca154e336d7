"""From a modality through the listener and its model into a real archive: the numbers, the time, and nobody's name."""

import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import highdicom as hd
import numpy as np
import pydicom
import pytest
import torch
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicom_files import film
from orthanc import Orthanc, free_port
from radmark import cli
from radmark.checkpoint import MODEL_FILE, Checkpoint, model_sha256, save
from radmark.config import Config, DataConfig, LabelConfig, ModelConfig
from radmark.core import InputError
from radmark.infer import Predictor
from radmark.io import read_film, read_scheme
from radmark.io.dicom_sr import report_uid
from radmark.measure import examine
from radmark.model import build
from radmark.outputs.reported import reported
from radmark.pacs.client import Archive, echo, send
from radmark.pacs.web import WebArchive, fetch

pytestmark = pytest.mark.slow
SR = "1.2.840.10008.5.1.4.1.1.88.33"
PIXELS = np.random.default_rng(0).integers(0, 4096, (300, 250)).astype(np.uint16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as training leaves it, but for the training: where it puts its points is nonsense, and always the same."""
    folder = tmp_path_factory.mktemp("model") / "run"
    torch.manual_seed(0)
    small = ModelConfig(encoder="mobilenet_v2", encoder_weights="none", decoder_channels=(16, 8, 8, 8, 8))
    config = Config(data=DataConfig(size=64), model=small, labels=LabelConfig(loss="softmax"))
    scheme = read_scheme("hip-native")
    net = build(small, len(scheme)).eval()
    checkpoint = Checkpoint(config, scheme, net.state_dict(), epoch=0, radius_px=3, facts={})
    # Where it finds the patient's right on the left's side, the two change places: swapped films are given no numbers.
    x = Predictor(checkpoint, net, torch.device("cpu"))(read_film(planted(folder.parent / "film.dcm")))
    order = list(range(len(scheme)))
    for right, left in scheme.pairs:
        if x[right][0] > x[left][0]:
            order[scheme.index(right)], order[scheme.index(left)] = scheme.index(left), scheme.index(right)
    head = "unet.segmentation_head.0."
    weights = {k: v[order] if k.startswith(head) else v for k, v in net.state_dict().items()}
    save(folder / MODEL_FILE, dataclasses.replace(checkpoint, weights=weights))
    return folder


@dataclass
class Station:
    """A listener as a user starts it."""

    here: Archive
    spool: Path
    log: Path
    program: "subprocess.Popen[bytes]"
    orthanc: Orthanc

    def reports(self, image: Path) -> list[str]:
        """SOP Instance UIDs of the reports that the archive has in an image's study."""
        study = pydicom.dcmread(image, stop_before_pixels=True).StudyInstanceUID
        url = f"{self.orthanc.http}/dicom-web/studies/{study}/instances?includefield=00080016"
        with urllib.request.urlopen(url, timeout=10) as answer:
            stored = json.loads(answer.read())
        return [i["00080018"]["Value"][0] for i in stored if i["00080016"]["Value"] == [SR]]

    def until_reported(self, image: Path) -> None:
        latest = time.monotonic() + 120
        while not self.reports(image):
            assert time.monotonic() < latest, self.log.read_text(encoding="utf-8")
            time.sleep(0.005)


@pytest.fixture(scope="module")
def station(run: Path, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder, port = tmp_path_factory.mktemp("station"), free_port()
    config = folder / "pacs.toml"
    config.write_text(
        f'[archive]\nurl = "{orthanc.http}/dicom-web"\n'
        f'[listen]\nport = {port}\nspool = "spool"\nae_title = "STATION"\naccept = ["MODALITY"]\n',
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "radmark.cli", "pacs", "listen", str(run), "--config", str(config)]
    log = folder / "log.txt"
    here = Archive(port=port, called="STATION", calling="MODALITY")
    with log.open("wb") as file:
        program = subprocess.Popen(words, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        latest = time.monotonic() + 200
        while True:
            try:
                echo(here)
                break
            except InputError:
                assert program.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < latest
                time.sleep(0.2)
        yield Station(here, folder / "spool", log, program, orthanc)
    finally:
        program.kill()
        program.wait()


def planted(path: Path, pixels: np.ndarray = PIXELS) -> Path:
    """A film that names its patient wherever a film can."""
    film(
        path, pixels, PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.2, 0.2], PatientName="Planted^Name",
        OtherPatientNames="PLANTED", PatientComments="PLANTED", InstitutionName="PLANTED", PatientID="PLANTED",
        StudyDescription="PLANTED", ReferringPhysicianName="PLANTED", AccessionNumber="PLANTED",
    )  # fmt: skip
    ds = pydicom.dcmread(path)
    block = ds.private_block(0x0011, "PLANTED MAKER", create=True)
    block.add_new(1, "LO", "PLANTED")
    ds.save_as(path)
    return path


def test_the_report_in_the_archive_has_the_numbers_of_the_direct_prediction(
    station: Station, run: Path, tmp_path: Path
) -> None:
    image = planted(tmp_path / "film.dcm")
    send(station.here, [image])
    station.until_reported(image)

    loaded = read_film(image)
    prediction = Predictor.load(run)(loaded)
    measurements = reported(examine(loaded, prediction))
    assert len(measurements) > 10
    ds = pydicom.dcmread(image)
    (uid,) = station.reports(image)
    assert uid == report_uid(ds.SOPInstanceUID, model_sha256(run))
    (file,) = fetch(WebArchive(f"{station.orthanc.http}/dicom-web"), tmp_path / "back", instance=uid)
    groups = cast("Any", hd.sr.srread(file).content).get_planar_roi_measurement_groups()
    spots = {
        g.finding_type.meaning.replace(" ", "_"): g.roi.value[0] for g in groups if g.roi.graphic_type.value == "POINT"
    }
    for k, name in enumerate(prediction.scheme.names):
        assert spots[name] - 0.5 == pytest.approx(prediction.points[k], abs=1e-3)
    told = [(g.finding_type.meaning, g.get_measurements()[0]) for g in groups if g.roi.graphic_type.value == "POLYLINE"]
    assert [name for name, _ in told] == [m.name[:64] for m in measurements]
    for (_, number), m in zip(told, measurements, strict=True):
        assert float(number.value) == pytest.approx(m.value, abs=1e-4)
        assert number.unit.value == {"": "1", "px": "{pixels}"}.get(m.unit, m.unit)


def test_a_report_that_is_made_twice_is_one_object_with_one_content(run: Path, tmp_path: Path) -> None:
    from radmark.pacs.worker import _work, load

    image, loaded = planted(tmp_path / "film.dcm"), load(run)
    a, b = tmp_path / "a.dcm", tmp_path / "b.dcm"
    assert _work(image, a, None, loaded) == _work(image, b, None, loaded)
    first, second = pydicom.dcmread(a), pydicom.dcmread(b)
    for ds in (first, second):  # when it was written is all that may differ
        for element in list(ds.iterall()):
            if element.VR in ("DA", "TM", "DT") and element.keyword not in ("StudyDate", "StudyTime"):
                element.value = None
    assert first == second


def test_the_round_trip_takes_seconds(
    station: Station, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    times: list[float] = []
    for i in range(int(os.environ.get("RADMARK_ROUND_TRIPS", "3"))):
        image = film(tmp_path / f"{i}.dcm", PIXELS + np.uint16(i), bits=16)
        began = time.monotonic()
        send(station.here, [image])
        station.until_reported(image)
        times.append(time.monotonic() - began)
    record_testsuite_property("round_trip_s", [round(t, 2) for t in times])
    assert statistics.median(times) < 60


def test_nobody_is_named_in_a_log_a_file_name_or_the_audit_log(station: Station, tmp_path: Path) -> None:
    broken = planted(tmp_path / "broken.dcm", PIXELS + np.uint16(9))
    ds = pydicom.dcmread(broken)
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.70")
    ds.PixelData = encapsulate([b"\xff\xd8PLANTED\xff\xd9"])
    ds["PixelData"].VR = "OB"
    ds.save_as(broken)
    frames = planted(tmp_path / "frames.dcm", np.stack([PIXELS, PIXELS]))
    good = planted(tmp_path / "good.dcm", PIXELS + np.uint16(11))
    done_before = len(list((station.spool / "done").iterdir()))  # by the tests before, on the same station
    send(station.here, [broken, frames, good])
    station.until_reported(good)
    latest = time.monotonic() + 60
    while len(list((station.spool / "done").iterdir())) <= done_before or (list(station.spool.glob("outgoing/*"))):
        assert time.monotonic() < latest
        time.sleep(0.05)
    reasons = [json.loads(f.read_text(encoding="utf-8"))["reason"] for f in station.spool.glob("failed/*/reason.json")]
    assert len(reasons) == 2
    assert any("2 frames" in reason for reason in reasons)
    for path in (station.log, station.spool / "audit.jsonl", *station.spool.glob("*/*/*.json")):
        assert "planted" not in path.read_text(encoding="utf-8").lower(), path
    uid = str(ds.SOPInstanceUID)
    for path in station.spool.rglob("*"):
        assert "planted" not in path.name.lower()
        assert uid not in path.name
    assert not list(station.spool.glob("done/*/*.dcm"))


def test_predict_adds_a_line_to_an_audit_log_that_names_nobody_and_no_path(run: Path, tmp_path: Path) -> None:
    study = tmp_path / "PLANTED"
    study.mkdir()
    images = [planted(study / f"PLANTED{i}.dcm", PIXELS + np.uint16(i)) for i in range(2)]
    log = tmp_path / "audit.jsonl"
    words = ["predict", str(run), str(study), "--audit", str(log)]
    assert cli.main([*words, "--out", str(tmp_path / "points.csv")]) == 0
    assert cli.main([*words, "--out", str(tmp_path / "reports"), "--format", "dcm"]) == 0
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["report"] is None for line in lines] == [True, True, False, False]
    assert [line["image"] for line in lines[:2]] == [line["image"] for line in lines[2:]]
    assert {line["model_sha256"] for line in lines} == {model_sha256(run)}
    assert {line["millimetres_from"] for line in lines} == {"dicom-detector"}
    assert {tuple(line["flags"]) for line in lines} == {("spacing_at_detector",)}
    assert all(line["measurements"] > 10 for line in lines)
    text = log.read_text(encoding="utf-8")
    assert "planted" not in text.lower()
    assert not any(str(pydicom.dcmread(image).SOPInstanceUID) in text for image in images)


def test_a_listener_that_is_told_to_stop_ends_well(station: Station) -> None:
    station.program.send_signal(signal.SIGTERM)
    assert station.program.wait(60) == 0
    assert station.log.read_text(encoding="utf-8").rstrip().endswith("stopped")
