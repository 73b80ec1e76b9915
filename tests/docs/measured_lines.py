"""What methods/*/README.md and docs/training.md say of `tiny` on `shapes`, from the committed records.

`python tests/docs/measured_lines.py` renews it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from shown import ROOT

from vis_bench.records.columns import COLUMNS, DUPLICATES, Column, read_value
from vis_bench.records.run import find_records, read_record
from vis_bench.setup.plugins import method_names
from vis_bench.study.intervals import mean_interval

STUDY, VARIANTS, AGAIN = "study/main", "study/variants", "another-stage"
STAGES, BARE, ALIKE = "image-stages", "no-image-stage", "shapes-alike-variants"
# (images, frames) of a protocol, and the records of it
SCHEDULES = {
    "1,280 and 840 (`--quick`)": ("shapes-quick", "shapes-quick"),
    "7,200 and 840": ("schedules", "long-short"),
    "1,280 and 5,400": ("schedules", "short-long"),
    "7,200 and 5,400": (STUDY, "shapes"),
}
# of Mask2Former-VIS, by protocol and by whether a value was set
ALIKE_ROWS = {
    ("shapes", False): "as it is",
    ("shapes-alike80", False): "look-alikes in 8 of 10 images (`image_stage.alike_share = 0.8`)",
    ("shapes-window3", False): "clips from 3 neighbouring frames (`train.window = 3`)",
    ("shapes", True): "`--set pixel_decoder.mask_positions=true`",
    ("shapes-stage2", True): "the same, another seed of the image stage",
}
DIFFICULTY = ("occlusion", "crossing", "alike", "long", "entering")
TASKS, TRAINING = ROOT / "docs" / "tasks.md", ROOT / "docs" / "training.md"
# rows that start from the stage of another
STAGE_OF = dict.fromkeys(("inspro_lite", "inspro_motr", "inspro_tbd"), "inspro")
# its stage is of single images, and takes no videos
WITHOUT_STAGE = ("ifr",)
WORDS = ("no seed", "one seed", "two seeds", "three seeds", "four seeds", "five seeds")
MEASURED = re.compile(r"^- `tiny` on `shapes`, split .*?(?=^- )", re.MULTILINE | re.DOTALL)
DIFFICULT = re.compile(
    r"^- The (?:same weights|weights of seed \d+) on the difficulty sets.*?(?=^- )", re.M | re.S
)
TAUGHT = re.compile(r"^What the images alone teach, .*?(?=^The first are runs)", re.MULTILINE | re.DOTALL)
WORTH = re.compile(r"^\| method \| image stage .*?\n(?=\n)", re.MULTILINE | re.DOTALL)
ALIKE_TABLE = re.compile(r"^  \| \| image stage of \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)
LOW_SCORES = re.compile(r"AP50 is under 20 in \d+ of its \d+ runs")
SCHEDULE_TABLE = re.compile(r"^\| method \| 1,280 and 840 .*?\n(?=\n)", re.MULTILINE | re.DOTALL)
OTHER_STAGE = re.compile(r"^\| row \| AP, study .*?\n(?=\n)", re.MULTILINE | re.DOTALL)


@cache
def records_of(folder: str) -> tuple[dict[str, Any], ...]:
    """The records below results/FOLDER."""
    paths = find_records([ROOT / "results" / folder])
    return tuple(read_record(path).model_dump(mode="json") for path in paths)


def values(
    folder: str, method: str, column: Column, seeds: Collection[int] | None = None, config: str = "tiny"
) -> list[float]:
    """Of every seed of `METHOD@CONFIG`, or of these, by seed; percent, counts and rates as they are."""
    scale = 100.0 if column.unit == "fraction" else 1.0
    found = [
        one
        for one in sorted(records_of(folder), key=lambda one: one["seed"])
        if (one["method"], one["config"]) == (method, config) and (seeds is None or one["seed"] in seeds)
    ]
    return [scale * float(read_value(record, column)) for record in found]


def with_spread(found: Sequence[float], digits: int = 1) -> str:
    """`25.9 ± 1.2`: mean and sample standard deviation, the latter from two seeds on."""
    return f"{fmean(found):.{digits}f}" + (f" ± {stdev(found):.{digits}f}" if len(found) > 1 else "")


def measured(method: str) -> str:
    """The lines of a README about `tiny`."""

    def shown(name: str) -> str:
        return with_spread(values(STUDY, method, COLUMNS[name]))

    regions = {one["iou_type"] for one in records_of(STUDY) if one["method"] == method}
    seeds = len(values(STUDY, method, COLUMNS["AP"]))
    stage = STAGE_OF.get(method, method)
    alone = "" if method in WITHOUT_STAGE else (
        f" ({fmean(values(STAGES, stage, COLUMNS['fAP50'])):.1f} after the image stage alone)"
    )  # fmt: skip
    duplicates = with_spread(values(STUDY, method, DUPLICATES))
    spread = ", mean ± standard deviation" if seeds > 1 else ""
    return (
        f"- `tiny` on `shapes`, split `test` (60 videos, {'masks' if regions == {'segm'} else 'boxes'}), "
        f"{WORDS[seeds]}{spread}:\n"
        f"  AP {shown('AP')}, AP50 {shown('AP50')}, frame AP50 {shown('fAP50')}{alone};\n"
        f"  at the operating point IDF1 {shown('IDF1')}, {shown('IDs')} identity switches, "
        f"{duplicates} duplicates per 100 object frames.\n"
        f"  Records with every value of the configuration: [results/{STUDY}](../../results/{STUDY}).\n"
    )


def difficult(method: str) -> str:
    """The lines of a README about the difficulty sets."""
    (seed,) = {one["seed"] for name in DIFFICULTY for one in records_of(f"shapes-{name}")}
    found = [f"{name} {fmean(values(f'shapes-{name}', method, COLUMNS['AP50'])):.1f}" for name in DIFFICULTY]
    return (
        f"- The weights of seed {seed} on the difficulty sets, AP50: {', '.join(found)}\n"
        "  ([reports/difficulty](../../reports/difficulty/report.md)).\n"
    )


def taught() -> str:
    """The lines of docs/training.md about the image stage."""
    found = []
    for name in (one["method"] for one in records_of(STAGES)):
        before, after = (fmean(values(folder, name, COLUMNS["fAP50"])) for folder in (STAGES, STUDY))
        boxes = " (boxes)" if name == "inspro_vid" else ""
        found.append((-before, f"`{name}`{boxes} {before:.1f} and {after:.1f}"))
    said = [text for _, text in sorted(found)]
    return (
        "What the images alone teach, `tiny` on `shapes` test, frame AP50 in percent after the stage and "
        "after "
        "the videos, mean\n"
        f"over the seeds (`vis-bench report results/{STAGES} results/{STUDY} --out reports/mine` has both): "
        f"{', '.join(said[:3])},\n{', '.join(said[3:])}.\n"
    )


def worth() -> str:
    """The table of docs/training.md: the same seeds with and without the image stage."""
    names = ("AP", "AP50", "fAP", "fAP50", "DetA", "AssA")
    head = " | ".join(("method", "image stage", "seeds", *names, "duplicates", "AP, with minus without"))
    lines = [f"| {head} |", "|---|---|" + "---:|" * (len(names) + 2) + "---|"]
    for method in dict.fromkeys(one["method"] for one in records_of(BARE)):
        seeds = {one["seed"] for one in records_of(BARE) if one["method"] == method}
        with_stage, without = (values(folder, method, COLUMNS["AP"], seeds) for folder in (STUDY, BARE))
        gained = np.subtract(with_stage, without)
        # over seeds alone, the videos held fixed
        mean, low, high = mean_interval(gained, np.zeros((len(gained), 1)), videos=1)
        for folder, said in ((STUDY, "yes"), (BARE, "no")):
            shown = (with_spread(values(folder, method, COLUMNS[name], seeds)) for name in names)
            cells = (f"`{method}`", said, str(len(seeds)), *shown)
            last = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" if folder == STUDY else ""
            duplicates = with_spread(values(folder, method, DUPLICATES, seeds))
            lines.append(f"| {' | '.join((*cells, duplicates, last))} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def alike() -> str:
    """The table of methods/mask2former_vis/README.md: what was tried for look-alikes."""
    lines = ["  | | image stage of | seeds | frame AP50 | AP50 |", "  |---|---|--:|--:|--:|"]
    for (protocol, changed), said in ALIKE_ROWS.items():
        rows = [
            one
            for one in records_of(ALIKE)
            if (one["protocol"], bool(one["overrides"])) == (protocol, changed)
        ]
        for cpu in sorted({one["hardware"]["cpu"] for one in rows}):
            these = [one for one in rows if one["hardware"]["cpu"] == cpu]
            cells = (
                with_spread([100.0 * float(read_value(one, COLUMNS[name])) for one in these])
                for name in ("fAP50", "AP50")
            )
            place = "Intel Xeon" if "Intel" in cpu else cpu
            lines.append(f"  | {said} | {place} | {len(these)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def other_stage() -> str:
    """The table of docs/training.md: the study's rows and seeds from another image stage."""
    lines = [
        "| row | AP, study | AP, again | difference | frame AP50, study | frame AP50, again |",
        "|---|" + "---:|" * 5,
    ]
    for method, config in dict.fromkeys((one["method"], one["config"]) for one in records_of(AGAIN)):
        seeds = {
            one["seed"] for one in records_of(AGAIN) if (one["method"], one["config"]) == (method, config)
        }
        again, before = (fmean(values(one, method, COLUMNS["AP"], seeds, config)) for one in (AGAIN, STUDY))
        cells = [
            with_spread(values(folder, method, COLUMNS[name], config=config))
            for name in ("AP", "fAP50")
            for folder in (STUDY, AGAIN)
        ]
        cells.insert(2, f"{again - before:+.1f}")
        variant = config.partition("+")[2]
        lines.append(f"| `{method}{f'@{variant}' if variant else ''}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def schedules() -> str:
    """The table of docs/tasks.md: one stage of the short schedule at full length, seed 0."""
    lines = [f"| method | {' | '.join(SCHEDULES)} |", "|---|" + "---:|" * len(SCHEDULES)]
    for method in dict.fromkeys(one["method"] for one in records_of("schedules")):
        cells = []
        for folder, protocol in SCHEDULES.values():
            record = next(
                one
                for one in records_of(folder)
                if (one["method"], one["protocol"], one["seed"]) == (method, protocol, 0)
                and "+" not in one["config"]
            )
            numbers = (100.0 * float(read_value(record, COLUMNS[name])) for name in ("AP50", "fAP50"))
            cells.append(" / ".join(f"{number:.1f}" for number in numbers))
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def low_scores() -> str:
    """The sentence of docs/tasks.md on the short schedule."""
    found = [100.0 * float(read_value(one, COLUMNS["AP50"])) for one in records_of("shapes-quick")]
    return f"AP50 is under 20 in {sum(value < 20 for value in found)} of its {len(found)} runs"


def texts() -> dict[Path, tuple[tuple[re.Pattern[str], str], ...]]:
    """What has to stand in which file, with what finds its place."""
    pages: dict[Path, tuple[tuple[re.Pattern[str], str], ...]] = {
        ROOT / "methods" / name / "README.md": ((MEASURED, measured(name)), (DIFFICULT, difficult(name)))
        for name in method_names()
    }
    pages[ROOT / "methods" / "mask2former_vis" / "README.md"] += ((ALIKE_TABLE, alike()),)
    pages[TASKS] = ((SCHEDULE_TABLE, schedules()), (LOW_SCORES, low_scores()))
    pages[TRAINING] = ((TAUGHT, taught()), (WORTH, worth()), (OTHER_STAGE, other_stage()))
    return pages


def renewed(page: str, parts: Sequence[tuple[re.Pattern[str], str]]) -> str:
    """The page with the numbers of the records. Raises ValueError where a part has no place in it."""
    for pattern, text in parts:
        page, count = pattern.subn(lambda _, text=text: text, page)
        if count != 1:
            raise ValueError(f"{count} places for {text.splitlines()[0]!r}")
    return page


if __name__ == "__main__":
    for path, parts in texts().items():
        path.write_text(renewed(path.read_text(encoding="utf-8"), parts), encoding="utf-8")
