"""How fast phantoms are drawn and written: images per second by kind, with one process and with two.

    python benchmarks/phantoms.py [--n 24]

Starting the second process is part of the time, so more images are more to its advantage.
"""

import argparse
import tempfile
import time
from pathlib import Path

from radmark import phantom

SIZE = 512


def images_per_second(kind: str, n: int, processes: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        phantom.write(Path(folder) / "out", kind, n, seed=0, size_px=SIZE, processes=processes)
        return n / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=24, help="images of each kind")
    n = parser.parse_args().n
    phantom.render(phantom.KINDS[0], 0, SIZE)  # the first one pays for imports
    print(f"{n} images of {SIZE} px each; images per second")
    print(f"{'kind':34} {'1 process':>10} {'2 processes':>12}")
    for kind in phantom.KINDS:
        one, two = (images_per_second(kind, n, processes) for processes in (1, 2))
        print(f"{kind:34} {one:>10.1f} {two:>12.1f}")


if __name__ == "__main__":
    main()
