"""The program in which the model runs: `python -m radmark.pacs.worker RUN`, beside the one that answers the network.

A file that takes a decoder down then takes this program down, and no image that arrives meanwhile. It reads a job a line (JSON)
and answers a line; where its parent ends, it ends, and leaves nothing that matters.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from radmark.core.detector import Detector
from radmark.core.errors import InputError

Loaded = tuple[Detector, str]
"""A model and its sha256."""


def load(run: Path) -> Loaded:
    """The model of a run's folder, or of an exported file, for which torch is not needed."""
    from radmark.exported import ExportedPredictor, is_exported

    if is_exported(run):
        from radmark.io.files import file_sha256

        return ExportedPredictor.load(run), file_sha256(run)
    from radmark.checkpoint import model_sha256
    from radmark.infer import Predictor

    return Predictor.load(run), model_sha256(run)


def main(load: Callable[[Path], Loaded] = load) -> None:
    """Load the model, say so, and do what comes."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # they are for the parent, which lets the image in hand be finished
        signal.signal(ending, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not speak in between
    warnings.simplefilter("ignore")  # they quote values
    try:
        try:
            loaded = load(Path(sys.argv[1]))
            import_module("highdicom")  # now, so that the first image need not wait for it
        except InputError as error:
            _say(answers, {"unusable": str(error)})
        except ModuleNotFoundError as error:
            extras = 'pip install "radmark[train,dicom]", or for an exported file "radmark[onnx,dicom]"'
            _say(answers, {"unusable": f"{error.name} is not installed: {extras}"})
        else:
            _serve(loaded, answers)
    except BrokenPipeError:
        os._exit(0)  # the parent is gone, and flushing would fail again


def _serve(loaded: Loaded, answers: TextIO) -> None:
    _say(answers, {"model_sha256": loaded[1]})
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"record": _work(Path(job["image"]), Path(job["report"]), job["frame"], loaded)}
        except InputError as error:
            answer = {"failed": error.problem, "remedy": error.remedy}
        except OSError as error:  # the disk's fault, not the image's
            answer = {"later": str(error.strerror)}
        except Exception as error:  # its text may quote the file
            answer = {"failed": f"radmark itself failed ({type(error).__name__})", "remedy": "Please report this"}
        _say(answers, answer)


def _work(image: Path, report: Path, frame: int | None, loaded: Loaded) -> dict[str, Any]:
    """From a film to its report; what the audit log needs is returned."""
    from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]

    from radmark.io import read_film
    from radmark.io.dicom_sr import report_uid
    from radmark.io.files import file_sha256
    from radmark.measure import examine
    from radmark.outputs import Options, outputs
    from radmark.privacy.audit import Processed

    detector, sha256 = loaded
    wanted = ["SOPInstanceUID", "NumberOfFrames", "Manufacturer"]
    head = dcmread(image, stop_before_pixels=True, specific_tags=wanted)
    if str(head.get("Manufacturer", "")).startswith("radmark"):
        raise InputError("radmark made this image itself", remedy="Have the archive send radiographs only")
    frame = frame if int(head.get("NumberOfFrames") or 1) > 1 else None
    film = read_film(image, name="image", frame=frame)
    found = examine(film, detector(film))
    uid = report_uid(str(head.SOPInstanceUID), sha256, frame)
    outputs()["dcm"].write(report, [found], Options(report_uid=uid))
    return asdict(Processed.of(found, sha256, file_sha256(image), str(head.SOPInstanceUID), uid))


def _say(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
