"""Inputs rebuilt from public bug reports, and what each of them has to end in.

`python tests/fuzz/known_bugs.py FOLDER` prints the table: input, command, exit code, message.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

RUN = ("--protocol", "{bugs}/p.toml", "--out", "{out}", "--jobs", "1", "-m", "stc")


@dataclass(frozen=True, slots=True)
class Case:
    """One input. command: of vis-bench; `{bugs}` is the folder of inputs, `{out}` an empty one. says: what
    its output has to hold; never: what it must not."""

    name: str
    command: tuple[str, ...]
    code: int
    says: str
    never: str = "Traceback"

    def arguments(self, bugs: Path, out: Path) -> list[str]:
        """The command with its places."""
        return [part.format(bugs=bugs, out=out) for part in self.command]


def _eval(predictions: str, truth: str = "gt.json", *more: str) -> tuple[str, ...]:
    return ("eval", f"{{bugs}}/{predictions}", "--truth", f"{{bugs}}/{truth}", "--metrics", "ap", *more)


def _verify(name: str) -> tuple[str, ...]:
    return ("data", "verify", f"{{bugs}}/{name}", "--split", "val")


CASES = (
    Case(
        "01_leak_subset",
        ("run", "-d", "{bugs}/01_leak_subset", "--split", "val", *RUN),
        3,
        "1 of the 1 videos of 01_leak_subset val would be trained on and scored (vid01)",
    ),
    Case("02_exif180", _verify("02_exif180"), 3, "EXIF orientation 3"),
    Case("02b_exif90", _verify("02b_exif90"), 3, "EXIF orientation 6"),
    Case("03_score_minus_one.json", _eval("03_score_minus_one.json"), 0, "scores"),
    Case("03b_score_percent.json", _eval("03b_score_percent.json"), 0, "scores"),
    Case("04_results.zip", _eval("04_results.zip"), 0, "AP"),
    Case("05_cocovid.json", _eval("05_cocovid.json", "05_cocovid.json"), 0, "AP"),
    Case("05b_tao.json", _eval("05b_tao.json", "05b_tao.json"), 0, "AP"),
    Case("05c_burst.json", _eval("05c_burst.json", "05c_burst.json"), 0, "AP"),
    Case("05d_mots.txt", _eval("05d_mots.txt", "05d_mots.txt"), 0, "AP"),
    Case(
        "06_train_without_objects",
        ("run", "-d", "{bugs}/06_train_without_objects", "--split", "val", *RUN),
        3,
        "there is no object to learn from",
    ),
    Case(
        "07_boxes_only_null.json",
        _eval("07_pred_boxes.json", "07_boxes_only_null.json", "--iou-type", "bbox"),
        0,
        "AP",
    ),
    Case("07_pred_boxes.json", _eval("07_pred_boxes.json"), 3, "--iou-type bbox"),
    Case("07b_masks_only_null_boxes.json", _eval("pred.json", "07b_masks_only_null_boxes.json"), 0, "AP"),
    Case("08_pred_nan_boxes_good_masks.json", _eval("08_pred_nan_boxes_good_masks.json"), 0, "AP"),
    Case(
        "08b_gt_negative_box_good_masks.json",
        _eval("pred.json", "08b_gt_negative_box_good_masks.json"),
        0,
        "AP",
    ),
    Case("09_lvvis_layout", _verify("09_lvvis_layout"), 0, "0 problems"),
    Case("09b_1196_classes.json", _eval("pred.json", "09b_1196_classes.json"), 0, "AP"),
    Case("10_counts_floats.json", _eval("pred.json", "10_counts_floats.json"), 0, "AP"),
    Case("11_annotations_null.json", _eval("pred.json", "11_annotations_null.json"), 3, "annotations"),
    Case("12_object_twice", _verify("12_object_twice"), 3, "the same mask and class"),
    Case("12b_frame_twice", _verify("12b_frame_twice"), 3, "is listed 2 times"),
    Case("gt.json, pred.json", _eval("pred.json"), 0, "AP"),
)


def call(case: Case, bugs: Path, out: Path) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a case in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "vis_bench", *case.arguments(bugs, out)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return ended.returncode, ended.stdout, ended.stderr


def _line(case: Case, out: str, err: str) -> str:
    """The line of the output that answers the case."""
    lines = [line.strip() for line in (err + "\n" + out).splitlines() if line.strip()]
    found = [line for line in lines if case.says in line]
    return next(iter(found), lines[0] if lines else "")[:200]


def main() -> None:
    """Print the table."""
    bugs = Path(sys.argv[1])
    print("| input | command | exit code | message |\n|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            code, out, err = call(case, bugs, Path(folder))
        command = " ".join(case.arguments(Path(), Path("runs"))[:4])
        print(f"| {case.name} | {command} | {code} | {_line(case, out, err)} |", flush=True)


if __name__ == "__main__":
    main()
