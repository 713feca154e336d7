"""`radmark registry`: a class for each thing it does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand


@dataclass(frozen=True)
class Push:
    """Copy a finished run, with a sha256 of each file, to a place that is empty."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    url: Annotated[Positional[str], arg(metavar="URL")]
    """A folder, an address fsspec knows (s3://, gs://), or hf://owner/name."""

    def run(self) -> int:
        """Copy, and say what travelled."""
        from radmark.console import err, out
        from radmark.registry import push

        err.print(
            "Warning: model.safetensors and split.json hold the names of the training images and patients. "
            "Push to a place where these may be read."
        )
        names = push(self.run_folder, self.url)
        out.print(f"{self.url}: {', '.join(names)}")
        return 0


@dataclass(frozen=True)
class Fetch:
    """Copy a run from where it was pushed; it appears only when every file has the sha256 that was stated."""

    url: Annotated[Positional[str], arg(metavar="URL")]
    """What `radmark registry push` was given; hf://owner/name@revision takes a state of a repository."""

    out: Path
    """The run's folder, RUN."""

    def run(self) -> int:
        """Copy, check, and say where it is."""
        from radmark.console import out
        from radmark.registry import fetch

        names = fetch(self.url, self.out)
        out.print(f"{self.out}: {len(names)} files, every sha256 as stated")
        return 0


@dataclass(frozen=True)
class Registry:
    """Share a finished run: weights, settings, log and card, never anything that could run."""

    action: Annotated[
        Annotated[Push, subcommand("push")] | Annotated[Fetch, subcommand("fetch")],
        OmitArgPrefixes,
        OmitSubcommandPrefixes,
    ]
    """What to do."""

    def run(self) -> int:
        """Do it."""
        return self.action.run()
