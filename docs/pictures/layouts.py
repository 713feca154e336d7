"""Where landmarks lie, for the small diagram beside a prompt: `python docs/pictures/layouts.py` writes static/layouts.json.

The mean of eight phantoms of each kind, as shares of the film's width; y too, so the shape stays. What has
no phantom was set by hand; the cephalogram is a face that looks to the right.
"""

import json
from pathlib import Path

import numpy as np

from radmark import phantom
from radmark.io import read_scheme

OUT = Path(__file__).parents[2] / "src/radmark/web/static/layouts.json"
CEPH = {
    "sella": (0.42, 0.40), "nasion": (0.74, 0.36), "orbitale": (0.68, 0.48), "porion": (0.33, 0.47),
    "a_point": (0.76, 0.64), "b_point": (0.72, 0.82), "pogonion": (0.73, 0.90), "menton": (0.68, 0.94),
    "gnathion": (0.715, 0.93), "gonion": (0.41, 0.80), "lower_incisor_tip": (0.775, 0.735),
    "upper_incisor_tip": (0.795, 0.75), "upper_lip": (0.86, 0.70), "lower_lip": (0.84, 0.77), "subnasale": (0.84, 0.62),
    "soft_tissue_pogonion": (0.80, 0.90), "posterior_nasal_spine": (0.52, 0.59), "anterior_nasal_spine": (0.78, 0.59),
    "articulare": (0.36, 0.55),
}  # fmt: skip

# The patient's right, on the left of the picture; the other side is its mirror image.
HIP = {
    "femoral_head_medial": (0.335, 0.42), "femoral_head_lateral": (0.25, 0.41), "femoral_neck": (0.25, 0.45),
    "cup_rim_superolateral": (0.245, 0.375), "cup_rim_inferomedial": (0.325, 0.455), "cup_rim_third": (0.305, 0.395),
    "stem_proximal": (0.215, 0.52), "stem_distal": (0.215, 0.70), "acetabular_rim_lateral": (0.245, 0.36),
    "acetabulum_deepest": (0.355, 0.40), "obturator_foramen_medial": (0.44, 0.60),
    "obturator_foramen_lateral": (0.37, 0.59),
}  # fmt: skip
LEG = {
    "femoral_head": (0.30, 0.12), "femoral_shaft_proximal": (0.25, 0.35), "femoral_shaft_distal": (0.27, 0.75),
    "femoral_notch": (0.31, 1.00), "femoral_condyle_medial": (0.355, 1.03), "femoral_condyle_lateral": (0.255, 1.02),
    "tibial_plateau_medial": (0.36, 1.07), "tibial_plateau_lateral": (0.25, 1.065), "tibial_spines": (0.31, 1.055),
    "tibial_shaft_proximal": (0.31, 1.25), "tibial_shaft_distal": (0.32, 1.65), "talus": (0.33, 1.88),
}  # fmt: skip
KNEE = {"femoral_shaft_proximal": [0.472, 0.10], "femoral_shaft_distal": [0.475, 0.32],
        "tibial_shaft_proximal": [0.485, 0.86], "tibial_shaft_distal": [0.48, 1.066]}  # fmt: skip

CUP = {
    "teardrop_right": [0.33, 0.62], "teardrop_left": [0.67, 0.62], "cup_rim_superolateral": [0.10, 0.42],
    "cup_rim_inferomedial": [0.29, 0.62], "cup_rim_upper_1": [0.16, 0.40], "cup_rim_upper_2": [0.22, 0.44],
    "cup_rim_upper_3": [0.27, 0.52], "cup_rim_lower_1": [0.11, 0.50], "cup_rim_lower_2": [0.16, 0.58],
    "cup_rim_lower_3": [0.22, 0.63], "head_rim_1": [0.13, 0.62], "head_rim_2": [0.18, 0.69], "head_rim_3": [0.26, 0.67],
}  # fmt: skip
CHILD = {"triradiate": (0.38, 0.50), "acetabular_rim_lateral": (0.28, 0.43)}
CROSS_TABLE = {
    "table_caudal": [0.1, 0.9], "table_cranial": [0.9, 0.9], "cup_face_anterior": [0.42, 0.3],
    "cup_face_posterior": [0.52, 0.62],
}  # fmt: skip
SIDE_KNEE = {
    "femoral_axis_proximal": [0.42, 0.08], "femoral_axis_distal": [0.45, 0.34], "tibial_shaft_proximal": [0.48, 0.72],
    "tibial_shaft_distal": [0.47, 0.95], "tibial_plateau_anterior": [0.34, 0.57], "tibial_plateau_posterior": [0.62, 0.60],
    "femoral_component_distal_anterior": [0.38, 0.5], "femoral_component_distal_posterior": [0.58, 0.51],
}  # fmt: skip


def both_sides(right: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    """name_right as given, name_left on the other side of the middle."""
    found = {f"{name}_right": [x, y] for name, (x, y) in right.items()}
    return found | {f"{name}_left": [round(1 - x, 3), y] for name, (x, y) in right.items()}


def layouts() -> dict[str, dict[str, list[float]]]:
    """Scheme -> landmark -> [x, y]."""
    found: dict[str, dict[str, list[float]]] = {"ceph-19": {name: list(xy) for name, xy in CEPH.items()}}
    for kind in phantom.KINDS:
        films = [phantom.render(kind, seed, 256) for seed in range(8)]
        mean = np.mean([(film.points + 0.5) / film.pixels.shape[1] for film in films], axis=0)
        found[kind] = {n: [round(float(v), 3) for v in p] for n, p in zip(films[0].names, mean, strict=True)}
    known = {
        "hip-native": found["pelvis-radiograph"] | both_sides(HIP) | {"sacral_endplate": [0.5, 0.2]},
        "hip-tha": found["pelvis-radiograph"] | both_sides(HIP),
        "knee-ap": found["knee-radiograph"] | KNEE,
        "long-leg": both_sides(LEG),
        "cup-rim": CUP,
        "hip-paediatric": both_sides(CHILD),
        "hip-cross-table": CROSS_TABLE,
        "knee-lateral": SIDE_KNEE,
    }
    for name, points in known.items():
        found[name] = {landmark: points[landmark] for landmark in read_scheme(name).names}
    return found


if __name__ == "__main__":
    rows = [f'"{name}": {json.dumps(points)}' for name, points in sorted(layouts().items())]
    OUT.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
