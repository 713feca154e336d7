"""How long a user waits for `radmark --help`, and whether torch was loaded for it.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 7


def main() -> None:
    program = Path(sys.executable).with_name("radmark")
    taken: list[float] = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        subprocess.run([program, "--help"], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    taken = taken[1:]  # the first one reads from the disk
    told = subprocess.run(
        [sys.executable, "-X", "importtime", program, "--help"], check=True, capture_output=True, text=True
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in told.stderr.splitlines() if line.startswith("import time:")}
    print(f"{'radmark --help':16} {'median s':>9} {'fastest s':>10} {'torch imported':>15}")
    torch = "yes" if "torch" in imported else "no"
    print(f"{f'of {REPEATS}':16} {statistics.median(taken):>9.2f} {min(taken):>10.2f} {torch:>15}")


if __name__ == "__main__":
    main()
