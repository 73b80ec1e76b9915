"""Every single record below results/ is shown: reports are what their records make, and runs that only a text
speaks of are listed here. A record that was left over, doubled, changed or taken away is found.

The files of numbers of a report (table.csv, speed.csv, curve-*.csv) are made again by the functions of
`vis-bench report`, from the folders that its command in docs/reports.md names, and held against the
committed ones.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vis_bench.errors import VisBenchError
from vis_bench.records.columns import COLUMNS
from vis_bench.records.rows import build_blocks, installed_protocols
from vis_bench.records.run import RECORD_NAME, find_records, read_record
from vis_bench.records.speed import CURVE_SUFFIX, SUFFIX
from vis_bench.report.formats.csv_file import csv_text, table_frame
from vis_bench.report.formats.markdown import choose_columns
from vis_bench.report.speed.curve_table import curve_csv
from vis_bench.report.speed.folder import read_speed_records
from vis_bench.report.speed.rates import with_rates
from vis_bench.report.speed.table import speed_csv

ROOT = Path(__file__).parents[1]
# folders that no report shows: the runs (without their hashes) that methods/*/README.md and docs/ speak of
IN_TEXTS = {
    # docs/training.md: frame AP50 after the image stage alone
    "image-stages": [
        f"{name}@tiny-seed-0"
        for name in ("inspro", "inspro_vid", "mask2former_vis", "masktrack_rcnn", "querytrack", "stc")
    ],
    # docs/tasks.md: one of the two stages of the short schedule at full length
    "schedules": [
        f"{cell}-{name}@tiny-seed-0"
        for cell in ("long-short", "short-long")
        for name in ("ifr", "inspro", "inspro_motr", "inspro_tbd", "inspro_vid")
    ],
    # methods/mask2former_vis/README.md: as it is trained otherwise, for look-alikes
    "shapes-alike-variants": [
        f"{protocol}-mask2former_vis@tiny-seed-{seed}"
        for protocol, seeds in (
            # as it is and with positions, the latter from another machine's stage too
            ("shapes", (0, 0, 0, 1, 1, 2, 2)),
            ("shapes-alike80", (0,)),
            ("shapes-stage2", (0,)),
            ("shapes-window3", (0,)),
        )
        for seed in seeds
    ],
}
COMMAND = re.compile(r"`vis-bench report ([^`]*) --out reports/([\w-]+)`")


def made_again(places: list[Path]) -> Iterator[tuple[str, str]]:
    """(name, text) of every file of numbers that a report of these folders has. Raises VisBenchError."""
    timed, curves = read_speed_records(places)
    if timed:
        yield "speed.csv", speed_csv(timed)
    for kind in dict.fromkeys(record.curve for record in curves):
        yield f"curve-{kind}.csv", curve_csv([record for record in curves if record.curve == kind])
    paths = find_records(places)
    if paths:
        records = with_rates([read_record(path).model_dump(mode="json") for path in paths], timed)
        blocks = build_blocks(records, installed_protocols())
        yield "table.csv", csv_text(table_frame(blocks, choose_columns(tuple(COLUMNS), None)))


def differences(committed: str, made: str) -> list[str]:
    """Lines of one that the other lacks, in the columns of the committed file: newer ones may come."""
    tables = [list(csv.DictReader(io.StringIO(text))) for text in (committed, made)]
    columns = committed.splitlines()[0].split(",")
    shown, there = ([{name: line.get(name) for name in columns} for line in table] for table in tables)
    return [
        f"{' '.join(str(value) for value in list(line.values())[:8])}... {words}"
        for one, other, words in (
            (there, shown, "is in records, not in the report"),
            (shown, there, "is in the report, not in records"),
        )
        for line in one
        if line not in other
    ] or ["another order or number of lines"] * (shown != there)


def strays(root: Path) -> list[str]:
    """What records and reports say differently, and runs that nothing names. root: a checkout."""
    found, shown = [], set()
    page = (root / "docs" / "reports.md").read_text(encoding="utf-8")
    for words, report in COMMAND.findall(page):
        folders = [word for word in words.split() if word.startswith("results/")]
        shown |= {folder.partition("/")[2] for folder in folders}
        try:
            made = dict(made_again([root / folder for folder in folders]))
        except VisBenchError as error:
            found.append(f"{' '.join(folders)}: {error}")
            continue
        kept = {
            path.name: path.read_text(encoding="utf-8") for path in (root / "reports" / report).glob("*.csv")
        }
        if made.keys() != kept.keys():
            found.append(f"reports/{report} has {sorted(kept)}, its records make {sorted(made)}")
        for name in sorted(made.keys() & kept.keys()):
            found += [f"reports/{report}/{name}: {line}" for line in differences(kept[name], made[name])]
    records = [
        path
        for path in sorted((root / "results").rglob("*.json"))
        if path.name == RECORD_NAME or path.name.endswith((SUFFIX, CURVE_SUFFIX))
    ]
    runs: dict[str, list[str]] = {}
    for path in records:
        folder, run, *_ = path.relative_to(root / "results").parts
        if not any(path.is_relative_to(root / "results" / one) for one in shown):
            runs.setdefault(folder, []).append(re.sub(r"-[0-9a-f]{8}$", "", run))
            record = json.loads(path.read_text(encoding="utf-8"))
            if f"{record['method']}@{record['config']}-seed-{record.get('seed')}" not in run:
                found.append(f"results/{folder}/{run} holds another run than its name says")
    for folder in sorted(runs.keys() | (IN_TEXTS.keys() - shown)):
        if sorted(runs.get(folder, [])) != sorted(IN_TEXTS.get(folder, [])):
            found.append(
                f"results/{folder} holds {sorted(runs.get(folder, []))}, "
                f"IN_TEXTS of {Path(__file__).name} names {sorted(IN_TEXTS.get(folder, []))}"
            )
    return found


def test_every_record_is_shown_and_what_is_shown_has_its_record() -> None:
    assert not (found := strays(ROOT)), "\n".join(found)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records, files of numbers and the page of commands, without predictions and pictures."""
    root = tmp_path_factory.mktemp("checkout")
    for top in ("results", "reports"):
        leave_out = shutil.ignore_patterns("*.gz", "*.png", "*.svg", "*.tex", "*.html")
        shutil.copytree(ROOT / top, root / top, ignore=leave_out)
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "reports.md", root / "docs")
    return root


def run_of(root: Path, pattern: str) -> Path:
    return next(path for path in sorted((root / "results").glob(pattern)) if path.is_dir())


FIRST = "study/main/stc@tiny-seed-0*"


@pytest.mark.parametrize(
    ("source", "target", "fields", "words"),
    [
        (FIRST, "study/main/stc@tiny-seed-9-00000000", {"seed": 9}, "reports/study/table.csv"),
        (FIRST, "study/main/stc@tiny-seed-0-00000000", {}, "results/study/main results/speed: "),
        ("shapes-quick/ifr@*", "shapes-quick/x", {"config": "tiny"}, "reports/shapes-quick/table.csv"),
        ("shapes-quick/ifr@*", "shapes-long/x", {}, "reports/difficulty/table.csv"),
        ("speed/*/*/inspro_tbd@*", "speed-lite/shapes-test/cpu/x", {}, "reports/speed-lite"),
        (FIRST, "image-stages/stc@tiny-seed-1-00000000", {"seed": 1}, "IN_TEXTS"),
        (FIRST, "image-stages/inspro@tiny-seed-0-4d56180f", {}, "holds another run"),
        (FIRST, "tried/stc@tiny-seed-0-00000000", {}, "results/tried holds"),
    ],
)
def test_a_stray_record_is_found(
    checkout: Path, source: str, target: str, fields: dict[str, object], words: str
) -> None:
    planted = checkout / "results" / target
    kept = planted.with_name("kept")
    if planted.exists():
        planted.rename(kept)
    shutil.copytree(run_of(checkout, source), planted)
    try:
        for path in planted.glob(RECORD_NAME):
            path.write_text(
                json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8"
            )
        assert words in "\n".join(strays(checkout))
    finally:
        shutil.rmtree(planted)
        if kept.exists():
            kept.rename(planted)


def test_a_record_that_went_is_found(checkout: Path) -> None:
    for pattern in (FIRST, "image-stages/stc@*"):
        gone = run_of(checkout, pattern)
        moved = gone.rename(checkout / "moved")
        assert strays(checkout)
        moved.rename(gone)
    assert strays(checkout) == []
