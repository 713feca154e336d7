"""The command line: a file a command, each a dataclass whose fields' docstrings are the help. Heavy imports wait inside `run`.

Exit codes: 0 done; 1 `radmark check` found that training would fail or lie, a cell of `radmark benchmark` failed, or `radmark
convert --strict` would have lost something; 2 something given cannot be used; 130 stopped by Ctrl-C.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from tyro.conf import OmitArgPrefixes, subcommand

from radmark import RESEARCH_USE, __version__
from radmark.cli.agree import Agree
from radmark.cli.annotate import Annotate
from radmark.cli.benchmark import Benchmark
from radmark.cli.check import Check
from radmark.cli.common import Annotations
from radmark.cli.convert import Convert
from radmark.cli.deidentify import Deidentify
from radmark.cli.demo import Demo
from radmark.cli.evaluate import Evaluate
from radmark.cli.export import Export
from radmark.cli.measure import Measure
from radmark.cli.pacs import Pacs
from radmark.cli.phantom import Phantom
from radmark.cli.predict import Predict
from radmark.cli.registry import Registry
from radmark.cli.report import Report
from radmark.cli.serve import Serve
from radmark.cli.train import DEFAULT_RECIPE, Train
from radmark.config import Config, read_recipe
from radmark.core.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the return value is the process's exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv == ["--version"]:
        print(f"radmark {__version__}")
        return 0
    try:
        # A recipe sets the defaults of every other flag of `train`, so it is looked for first.
        config = read_recipe(_flag(argv, "--recipe") or DEFAULT_RECIPE) if argv[:1] == ["train"] else Config()
        missing: Any = tyro.MISSING
        train = Train(Annotations(missing), missing, config=config)
        commands = (
            Annotated[Demo, subcommand("demo")]
            | Annotated[Phantom, subcommand("phantom")]
            | Annotated[Annotate, subcommand("annotate")]
            | Annotated[Check, subcommand("check")]
            | Annotated[Train, subcommand("train", default=train)]
            | Annotated[Evaluate, subcommand("evaluate")]
            | Annotated[Predict, subcommand("predict")]
            | Annotated[Export, subcommand("export")]
            | Annotated[Measure, subcommand("measure")]
            | Annotated[Report, subcommand("report")]
            | Annotated[Agree, subcommand("agree")]
            | Annotated[Convert, subcommand("convert")]
            | Annotated[Pacs, subcommand("pacs")]
            | Annotated[Deidentify, subcommand("deidentify")]
            | Annotated[Serve, subcommand("serve")]
            | Annotated[Benchmark, subcommand("benchmark")]
            | Annotated[Registry, subcommand("registry")]
        )
        command: Any = tyro.cli(
            commands,
            prog="radmark",
            description=f"Landmarks on radiographs: from annotated films to a trained, scored detector. {RESEARCH_USE}",
            args=argv,
            config=(OmitArgPrefixes,),
        )
        return command.run()
    except InputError as error:
        print(f"radmark: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _flag(argv: Sequence[str], name: str) -> str | None:
    """The last value of a flag, as the parser takes it; None where there is none."""
    value = None
    for word, following in zip(argv, [*argv[1:], "-"], strict=True):
        if word.startswith(f"{name}="):
            value = word.split("=", 1)[1]
        elif word == name and not following.startswith("-"):
            value = following
    return value
