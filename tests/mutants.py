"""Mistakes that a round trip forgives. Each must turn a named test red; `test_mutants.py` sees to it.

A mutant is one exact replacement in one file. Add one whenever a bug of this kind was found, or was nearly made.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`old`, which stands exactly once in `file` of src/radmark, becomes `new`; `tests` of tests/ must notice.

    `tests` is a file or, where that is slow, one test in it.
    """

    mistake: str
    file: str
    old: str
    new: str
    tests: str


_TO_TARGET = "return (points + np.array([self.pad_x, self.pad_y]) + 0.5) * self.scale - 0.5"
_TO_SOURCE = "return (points + 0.5) / self.scale - 0.5 - np.array([self.pad_x, self.pad_y])"
_BOTH_WAYS = (
    f"{_TO_TARGET}\n\n"
    "    def to_source(self, points: FloatArray) -> FloatArray:\n"
    '        """(..., 2) points of the target frame, seen in the source frame."""\n'
    f"        {_TO_SOURCE}"
)

MUTANTS = (
    Mutant(
        "x and y of the padding swapped, both ways",
        "core/frame.py",
        _BOTH_WAYS,
        _BOTH_WAYS.replace("[self.pad_x, self.pad_y]", "[self.pad_y, self.pad_x]"),
        "core/test_frame.py",
    ),
    Mutant(
        "the half pixel dropped, both ways",
        "core/frame.py",
        _BOTH_WAYS,
        _BOTH_WAYS.replace(" + 0.5)", ")").replace(" - 0.5", ""),
        "core/test_frame.py",
    ),
    Mutant(
        "the half pixel dropped on the way back only",
        "core/frame.py",
        _TO_SOURCE,
        "return points / self.scale - np.array([self.pad_x, self.pad_y])",
        "core/test_frame.py",
    ),
    Mutant("the inverse forgotten", "core/frame.py", _TO_SOURCE, "return points", "core/test_frame.py"),
    Mutant(
        "an odd remainder padded on the wrong side",
        "core/frame.py",
        "pad_x=(side - source.width) // 2",
        "pad_x=(side - source.width + 1) // 2",
        "core/test_frame.py",
    ),
    Mutant(
        "the shorter side fills the square",
        "core/frame.py",
        "side = max(source.width, source.height)",
        "side = min(source.width, source.height)",
        "core/test_frame.py",
    ),
    Mutant(
        "spacing of rows and columns swapped",
        "core/frame.py",
        "np.array([self.spacing.x_mm, self.spacing.y_mm])",
        "np.array([self.spacing.y_mm, self.spacing.x_mm])",
        "core/test_frame.py",
    ),
    Mutant(
        "x and y swapped where a frame says what it holds",
        "core/frame.py",
        "x, y = points[..., 0], points[..., 1]",
        "y, x = points[..., 0], points[..., 1]",
        "core/test_frame.py",
    ),
    Mutant(
        "millimetres carried into the model's frame",
        "core/frame.py",
        "target=Frame(size, size),",
        "target=Frame(size, size, source.spacing),",
        "core/test_frame.py",
    ),
    Mutant(
        "split by film instead of by patient",
        "core/dataset.py",
        "groups[case.patient].append(case.name)",
        "groups[case.name].append(case.name)",
        "core/test_dataset.py::test_films_of_one_patient_stay_together_however_many",
    ),
    Mutant(
        "a patient in two parts let through",
        "core/dataset.py",
        "if patient_home.setdefault(patient, part) != part:",
        "if False:",
        "core/test_dataset.py::test_a_patient_in_two_parts_is_named",
    ),
    Mutant(
        "the split depends on the order of rows",
        "core/dataset.py",
        "for patient in sorted(groups):",
        "for patient in groups:",
        "core/test_dataset.py::test_the_same_seed_draws_the_same_split_whatever_the_order_of_rows",
    ),
    Mutant(
        "strata ignored",
        "core/dataset.py",
        'strata[attributes[stratify] if stratify else ""].append(patient)',
        'strata[""].append(patient)',
        "core/test_dataset.py::test_stratified_parts_differ_by_one_at_most_in_each_stratum",
    ),
    Mutant(
        "the left called the right",
        "core/scheme.py",
        'if any(part.lower() in ("right", "r")',
        'if any(part.lower() in ("left", "l")',
        "core/test_scheme.py",
    ),
    Mutant(
        "absent and not annotated scored",
        "core/landmarks.py",
        "return self.states <= State.OCCLUDED",
        "return self.states <= State.NOT_ANNOTATED",
        "core/test_landmarks.py",
    ),
    Mutant(
        "sixteen bits squeezed through eight",
        "core/radiograph.py",
        "low, high = float(self.pixels.min()), float(self.pixels.max())",
        "low, high = 0.0, 255.0",
        "core/test_radiograph.py",
    ),
    Mutant(
        "the picture left in the corner while its points are centred",
        "letterbox.py",
        "square[inset.pad_y : inset.pad_y + source.height, inset.pad_x : inset.pad_x + source.width]",
        "square[: source.height, : source.width]",
        "test_letterbox.py",
    ),
    Mutant(
        "a region one pixel too wide",
        "targets/regions.py",
        "within = dx.abs() + dy.abs() <= radius_px",
        "within = dx.abs() + dy.abs() <= radius_px + 1",
        "targets/test_regions.py::test_sixty_five_dilations_make_8581_pixels",
    ),
    Mutant(
        "rows and columns of the largest logit swapped",
        "targets/decode.py",
        "torch.cat([first % width, first // width], dim=2)",
        "torch.cat([first // width, first % width], dim=2)",
        "targets/test_decode.py::test_argmax_finds_the_lit_pixel",
    ),
    Mutant(
        "rows and columns swapped where several pixels share the largest logit",
        "targets/decode.py",
        "return torch.stack([x, y], dim=-1)",
        "return torch.stack([y, x], dim=-1)",
        "targets/test_decode.py::test_argmax_averages_ties_as_the_released_programs_do",
    ),
    Mutant(
        "the re-weighting put in twice instead of taken out",
        "targets/decode.py",
        "torch.sigmoid(logits - log_weight)",
        "torch.sigmoid(logits + log_weight)",
        "targets/test_decode.py::test_taking_the_weight_out_again_narrows_a_plateau_to_its_peak",
    ),
    Mutant(
        "pixels turned one way and points the other",
        "targets/motion.py",
        "(points - centre) @ forth.transpose(1, 2) + centre",
        "(points - centre) @ forth + centre",
        "train/test_augment.py::test_a_quarter_turn_clockwise_brings_the_right_of_the_picture_to_its_bottom",
    ),
    Mutant(
        "points shifted and pixels not",
        "targets/motion.py",
        "torch.cat([unturn, unshift], dim=2)",
        "torch.cat([unturn, 0 * unshift], dim=2)",
        "train/test_augment.py::test_a_shift_by_whole_pixels_lands_on_whole_pixels",
    ),
    Mutant(
        "the shift turned and scaled with the picture",
        "targets/motion.py",
        "unshift = unturn @ (-shifts_px",
        "unshift = (-shifts_px",
        "train/test_augment.py::test_the_point_stays_on_the_spot_that_is_turned_scaled_and_shifted",
    ),
    Mutant(
        "pixels made larger and points brought closer together",
        "targets/motion.py",
        "forth = scales[:, None, None] * _turn(angles_deg)",
        "forth = _turn(angles_deg) / scales[:, None, None]",
        "train/test_augment.py::test_the_point_stays_on_the_spot_that_is_turned_scaled_and_shifted",
    ),
    Mutant(
        "half a pixel forgotten between two levels",
        "targets/levels.py",
        "(points + 0.5) / stride - 0.5",
        "points / stride",
        "targets/test_levels.py::test_a_point_on_a_map_lies_on_the_pixel_that_pooling_lights",
    ),
    Mutant(
        "a look at the film turned back the wrong way",
        "infer/predictor.py",
        "move_points(points, -angles",
        "move_points(points, angles",
        "infer/test_predictor.py::test_every_look_at_a_film_is_brought_back_to_it",
    ),
    Mutant(
        "half a pixel of the mirror forgotten",
        "train/augment.py",
        "gray.shape[-1] - 1 - swapped[..., 0]",
        "gray.shape[-1] - swapped[..., 0]",
        "train/test_augment.py::test_in_the_mirror_the_lit_left_hip_is_the_right_one",
    ),
    Mutant(
        "mirrored, and left still called left",
        "train/augment.py",
        "swapped = points[:, partner]",
        "swapped = points.clone()",
        "train/test_augment.py::test_in_the_mirror_the_lit_left_hip_is_the_right_one",
    ),
    Mutant(
        "mirrored, and the states left on the side they were",
        "train/augment.py",
        "states[:, partner], states)",
        "states, states)",
        "train/test_augment.py::test_in_the_mirror_a_hip_that_is_absent_is_absent_on_the_other_side",
    ),
    Mutant(
        "the loss told the states of before the mirror",
        "train/loop.py",
        "gray, points, states = augment(",
        "gray, points, _ = augment(",
        "train/test_augment.py::test_in_training_a_mirrored_film_teaches_the_other_side",
    ),
    Mutant(
        "points left on the network's grid",
        "letterbox.py",
        "inset.to_source(points.astype(np.float64))",
        "points.astype(np.float64)",
        "infer/test_predictor.py::test_a_bright_spot_is_found_where_it_is_in_the_source_image",
    ),
    Mutant(
        "the nominal size of a region weighed where the border clips it",
        "targets/regions.py",
        "return self.inside.sum(dim=-1)",
        "return torch.full_like(self.inside.sum(dim=-1), self.inside.shape[-1])",
        "targets/test_losses.py::test_a_clipped_region_is_weighted_by_the_pixels_really_drawn",
    ),
    Mutant(
        "medial and lateral exchanged in the femoral offset",
        "measure/hip.py",
        'return s * cross(axis / np.hypot(*axis), p["femoral_head_{s}"] - p[SHAFT[0]])',
        'return -s * cross(axis / np.hypot(*axis), p["femoral_head_{s}"] - p[SHAFT[0]])',
        "measure/test_reference.py",
    ),
    Mutant(
        "the other side measured as if it were the operated one",
        "measure/hip.py",
        "for name, other in others.items()}}, -s)",
        "for name, other in others.items()}}, s)",
        "measure/test_operated.py",
    ),
    Mutant(
        "a calibration's pixels made square",
        "measure/calibrate.py",
        "shape = np.ones(2) if old is None else np.array([old.x_mm, old.y_mm])",
        "shape = np.ones(2) if old is None else np.array([old.x_mm, old.x_mm])",
        "measure/test_calibrate.py",
    ),
    Mutant(
        "a magnification that enlarges",
        "measure/calibrate.py",
        "Spacing(old.x_mm / magnification, old.y_mm / magnification,",
        "Spacing(old.x_mm * magnification, old.y_mm * magnification,",
        "measure/test_calibrate.py",
    ),
    Mutant(
        "a pelvis tilted further instead of turned back",
        "measure/cup.py",
        "*tilted_deg(ri, ra, -posterior_tilt_deg)",
        "*tilted_deg(ri, ra, posterior_tilt_deg)",
        "measure/test_cup.py::test_a_tilted_pelvis_is_turned_back",
    ),
    Mutant(
        "half a rim taken for a whole one",
        "measure/cup.py",
        "LARGEST_GAP_DEG = 120.0",
        "LARGEST_GAP_DEG = 360.0",
        "measure/test_cup.py::test_without_the_axis_ends_a_wide_gap_is_what_tells_half_a_rim",
    ),
    Mutant(
        "landmarks that move together taken apart",
        "measure/scatter.py",
        "variance = float(slope @ covariance @ slope)",
        "variance = float(slope @ (np.diag(np.diag(covariance)) @ slope))",
        "measure/test_scatter.py",
    ),
    Mutant(
        "swapped sides let through",
        "measure/sanity.py",
        'wrong = [stem for stem in both if there[f"{stem}_right"][0] > there[f"{stem}_left"][0]]',
        "wrong: list[str] = []",
        "measure/test_sanity.py",
    ),
    Mutant(
        "CVAT's corner taken for a pixel's centre",
        "io/cvat.py",
        "x - 0.5, y - 0.5",
        "x, y",
        "io/test_annotations.py::test_cvat_counts_from_the_corner_and_says_absent_by_outside",
    ),
    Mutant(
        "TPS read downwards",
        "io/tps.py",
        "present(x, height - y)",
        "present(x, y)",
        "io/test_annotations.py::test_tps_counts_upwards_and_says_missing_in_two_ways",
    ),
    Mutant(
        "Label Studio's height in percent of the width",
        "io/label_studio.py",
        "/ 100 * size[1] - 0.5",
        "/ 100 * size[0] - 0.5",
        "io/test_annotations.py::test_label_studio_counts_in_percent_from_the_corner_and_keeps_its_readers",
    ),
    Mutant(
        "agreement blind to the readers' constant differences",
        "agree/icc.py",
        "+ k * (a.columns - a.error) / n",
        "",
        "agree/test_icc.py::test_the_worked_example_of_shrout_and_fleiss",
    ),
    Mutant(
        "films drawn instead of patients",
        "agree/bootstrap.py",
        "_, owner = np.unique(owner, return_inverse=True)",
        "owner = np.arange(len(owner))",
        "agree/test_agreement.py::test_intervals_are_by_patient_not_by_film",
    ),
    Mutant(
        "an exported graph that puts the odd pixel of the padding on the other side",
        "infer/export.py",
        "pad = torch.floor((side - size) / 2)",
        "pad = torch.ceil((side - size) / 2)",
        "infer/test_export.py::test_the_graph_before_it_is_traced_gives_the_predictors_points",
    ),
    Mutant(
        "the half pixel dropped in an exported graph",
        "infer/export.py",
        "(points + 0.5) * (side / config.data.size) - 0.5 - pad",
        "points * (side / config.data.size) - pad",
        "infer/test_export.py::test_the_graph_before_it_is_traced_gives_the_predictors_points",
    ),
    Mutant(
        "points from the pixel's centre where DICOM counts from its corner",
        "io/dicom_result.py",
        "return np.asarray(points, np.float64) + 0.5",
        "return np.asarray(points, np.float64)",
        "io/test_dicom_pictures.py::test_a_landmark_on_the_first_pixel_is_half_a_pixel_from_the_states_origin",
    ),
    Mutant(
        "a right angle of pixels, not of millimetres",
        "measure/shapes.py",
        "share = float((at[int(point)] - a) * scale @ axis / (axis @ axis))",
        "share = float((at[int(point)] - a) @ (b - a) / ((b - a) @ (b - a)))",
        "measure/test_shapes.py::test_square_is_square_in_millimetres_where_pixels_are_not",
    ),
    Mutant(
        "the other bone's line for a user's own angle",
        "measure/shapes.py",
        'min(("1-2", "0-2"), key',
        'max(("1-2", "0-2"), key',
        "measure/test_shapes.py::test_what_a_user_defined_is_drawn_by_its_own_lines",
    ),
    Mutant(
        "a typed spacing that hides the header's calibration",
        "measure/calibrate.py",
        "or used.source is header.source",
        "or used.source is not SpacingSource.KNOWN_DISTANCE",
        "measure/test_command.py",
    ),
    Mutant(
        "a study's own UID left in a copy without the patient",
        "privacy/deidentify.py",
        "return self.uid(str(element.value)) if element.value else None",
        "return str(element.value) if element.value else None",
        "privacy/test_deidentify.py::test_the_same_patient_study_and_series_stay_together_and_another_key_makes_others_of_them",
    ),
    Mutant(
        "an image answered for before it is on the disk",
        "pacs/spool.py",
        "            os.fsync(file.fileno())\n",
        "",
        "pacs/test_spool.py::test_file_and_folders_are_on_the_disk_before_an_image_counts_as_received",
    ),
    Mutant(
        "an image that is being looked at forgotten where it arrives again",
        "pacs/spool.py",
        "for state in STATES)",
        'for state in ("incoming", "done"))',
        "pacs/test_spool.py::test_an_image_that_arrives_again_is_known_in_every_state",
    ),
    Mutant(
        "a line of the audit log repeated after a kill",
        "pacs/listener.py",
        "        if hidden not in written:\n",
        "        if hidden:\n",
        "pacs/test_spool.py::test_a_kill_before_any_step_on_the_disk_loses_nothing_and_repeats_nothing",
    ),
    Mutant(
        "an image kept after its report was delivered",
        "pacs/listener.py",
        "    spool.tidy(keep_report=deliver is None)\n",
        "",
        "pacs/test_spool.py::test_a_kill_before_any_step_on_the_disk_loses_nothing_and_repeats_nothing",
    ),
    Mutant(
        "a UID in the audit log as it is",
        "privacy/audit.py",
        "return None if uid is None else self.hidden(uid)",
        "return uid",
        "privacy/test_audit.py",
    ),
    Mutant(
        "what changes something may come from any page",
        "web/guard.py",
        "if origin.lower() in self._origins:",
        "if origin is not None:",
        "web/test_guard.py",
    ),
    Mutant(
        "the server answers to any name",
        "web/guard.py",
        "if host.lower() in self._hosts:",
        "if host is not None:",
        "web/test_guard.py",
    ),
    Mutant(
        "links out of the folder of images followed",
        "web/films.py",
        "if not path.is_relative_to(self._root) or not path.is_file():",
        "if not path.is_file():",
        "web/test_films.py",
    ),
    Mutant(
        "8-bit pixels stretched on their way to the page",
        "web/films.py",
        'values = np.ascontiguousarray(pixels).astype("<u2", copy=False)',
        'values = np.ascontiguousarray(pixels).astype("<u2") * (257 if pixels.dtype == np.uint8 else 1)',
        "web/test_films.py",
    ),
    Mutant(
        "several images in one pass, and each given the points of another",
        "batch/pipeline.py",
        "not good else model.locate(good))",
        "not good else model.locate(good)[::-1])",
        "batch/test_batch.py::test_reading_ahead_and_several_at_once_move_no_point_by_a_ten_thousandth",
    ),
)
