"""Code that nothing in the package calls. It may be kept by name here, with the reason; better, delete it."""

import sys
from pathlib import Path

from vulture import Vulture

SRC = Path(__file__).parent.parent / "src"

KEPT = {
    "Python, a library or a notebook calls it by this name": (
        "__dir__", "__getattr__", "_repr_html_", "client_address", "get_next", "get_request", "handle_error", "model_config",
        "trace",
    ),
    "a field that a file, a page or an answer shows": (
        "bias_ci95_by_patient", "cone_beam", "icc_1_1", "icc_1_1_ci95", "icc_2_1", "icc_2_1_ci95", "icc_3_1", "icc_3_1_ci95",
        "in_words", "lower_ci95", "mdc95", "median_low", "median_rest", "model_ci95", "model_rms", "observed_rms",
        "pelvic_tilt_deg", "pixel_origin", "rater_rms", "readers_ci95", "sd_subjects", "sem_agreement", "sem_consistency",
        "spread_p", "spread_rho", "upper_ci95",
    ),
    "found by looking through a folder of files or the members of a class": ("INFERRED", "MULTIPLIES", "SHAPES", "SKELETONS"),
    "named in an annotation that is a string": ("ExamineOptions",),
    "the tests' look into the store": ("derived", "event_ids"),
}  # fmt: skip


def main() -> int:
    """Print what is dead, and names that need no keeping any more; 1 where there is any."""
    look = Vulture(ignore_decorators=["@*.get", "@*.post", "@*.put", "@*.delete", "@*.exception_handler"])
    look.scavenge([str(SRC)])
    found: dict[str, list[str]] = {}
    for item in look.get_unused_code(min_confidence=60):
        line = Path(item.filename).read_text(encoding="utf-8").splitlines()[item.first_lineno - 1]
        # What is set on an object of another library is theirs to read.
        if item.typ != "attribute" or f"self.{item.name}" in line:
            found.setdefault(item.name, []).append(item.get_report())
    kept = {name for names in KEPT.values() for name in names}
    for name in sorted(found.keys() - kept):
        print(*found[name], sep="\n")
    for name in sorted(kept - found.keys()):
        print(f"{name} is used or gone: take it off the list in {Path(__file__).name}")
    return int(found.keys() != kept)


if __name__ == "__main__":
    sys.exit(main())
