"""`radmark phantom`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from radmark.core.errors import InputError


@dataclass(frozen=True)
class Phantom:
    """Synthetic radiographs whose landmarks are known exactly: OUT/images/*.png and OUT/annotations.csv."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The folder to make."""

    kind: str
    """What they show: the name of one of the shipped schemes, but for ceph-19."""

    n: int = 60
    """How many."""

    seed: int = 0
    """The same kind, seed and number give the same pictures."""

    size: int = 512
    """Longer side in pixels."""

    def run(self) -> int:
        """Draw and write them."""
        from radmark import phantom
        from radmark.console import out

        if self.kind not in phantom.KINDS:
            raise InputError(
                "there is no phantom of this kind",
                value=self.kind,
                remedy=f"Use one of: {', '.join(phantom.KINDS)}",
            )
        phantom.write(self.out, self.kind, self.n, self.seed, self.size)
        out.print(f"{self.n} phantoms ({self.kind}) in {self.out}")
        return 0
