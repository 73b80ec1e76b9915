"""The sentences around a table: what was run, what the columns mean, what went wrong. Plain text."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.columns import Column
from vis_bench.records.keys import NO_PROTOCOL
from vis_bench.records.operating_point import point_notes, shared_columns
from vis_bench.records.rows import DONE, Block, Protocols, Row, seconds_are_comparable
from vis_bench.report.tables.empty_rows import empty_notes
from vis_bench.report.tables.start_notes import frames_notes, start_notes
from vis_bench.report.tables.text import cut_end, one_line
from vis_bench.setup.protocol import ImageRules

# Enough for a message; the whole traceback stays in the record.
_ERROR_WIDTH = 240

REGION_NAMES = {"segm": "masks", "bbox": "boxes"}


def heading(block: Block) -> str:
    """What a block holds: data set, split, videos, region, protocol, training, seeds, configuration."""
    seeds = "seed" if len(block.seeds) == 1 else "seeds"
    parts = [
        f"{one_line(block.dataset)} {one_line(block.split)}",
        f"{block.videos} videos",
        REGION_NAMES.get(block.iou_type, one_line(block.iou_type)),
        f"protocol {one_line(block.protocol)} ({one_line(block.protocol_hash)[:8]})",
        *([one_line(block.training)] if block.training else []),
        *([f"prompted with {one_line(block.prompt)}"] if block.prompt else []),
        f"{seeds} {', '.join(map(str, block.seeds))}",
    ]
    if block.default_config is not None:
        parts.append(f"configuration {one_line(block.default_config)} unless named")
    return ", ".join(parts)


def column_sentences(columns: Sequence[Column]) -> list[str]:
    """One sentence for each family of columns, and the units."""
    families: dict[str, list[str]] = {}
    for column in columns:
        families.setdefault(column.family, []).append(column.name)
    sentences = [f"{', '.join(names)}: {family}." for family, names in families.items()]
    percent = [column for column in columns if column.unit == "fraction"]
    counts = [column.name for column in columns if column.unit == "count"]
    if percent and counts:
        sentences.append(f"Percent, except {', '.join(counts)}: counts over all videos.")
    elif percent:
        sentences.append("Percent.")
    return sentences


def marks_sentences(blocks: Sequence[Block], columns: Sequence[Column]) -> list[str]:
    """Explanations of the marks that really occur in the tables."""
    cells = [
        row.cell(column)
        for block in blocks
        for row in block.rows
        for column in visible_columns(block, columns)
    ]
    sentences = []
    if any(cell.sd is not None for cell in cells):
        sentences.append("sd: sample standard deviation over the seeds.")
        sentences.append(
            "95 % interval: t interval of the mean over the seeds, with these videos held fixed."
        )
    if any(cell.mean is None and cell.count for cell in cells):
        sentences.append("-: undefined in at least one seed (nothing to average over) or not computed.")
    return sentences


def pretraining_sentences(blocks: Sequence[Block], protocols: Protocols) -> list[str]:
    """For each protocol one sentence on how the methods were initialised."""
    sentences = []
    # a protocol says how methods are trained, and nothing of foreign rows and of weights as given
    trained = [block for block in blocks if any(_was_trained(row) for row in block.rows)]
    for name, content in dict.fromkeys((block.protocol, block.protocol_hash) for block in trained):
        protocol = protocols.get((name, content))
        shown = one_line(name)
        if name == NO_PROTOCOL:
            continue
        if protocol is None:
            sentences.append(
                f"Protocol {shown} with hash {one_line(content)[:8]} is not installed here; the numbers hold "
                "given its pretraining and training."
            )
        elif protocol.image_stage is not None:
            sentences.append(_image_stage_sentence(shown, protocol.image_stage))
        elif protocol.initialisation.recipe is None:
            sentences.append(f"Protocol {shown}: every method starts from its own random initialisation.")
        else:
            sentences.append(
                f"Protocol {shown}: backbones start from one shared initialisation; numbers and standard "
                "deviations hold given this pretraining."
            )
    return sentences


def _was_trained(row: Row) -> bool:
    given = row.records[0].get("initial_weights") and row.records[0].get("train_data") is None
    return not row.foreign and not given


def _image_stage_sentence(protocol: str, rules: ImageRules) -> str:
    images = "still images of the generator" if rules.data == "stills" else "images of COCO"
    count = rules.iterations * rules.images_per_step
    return (
        f"Protocol {protocol}: every method starts from an image stage, its whole model trained on {count:,} "
        f"{images} (a pair made from one image counts once) with its terms for tracking off, unless a note "
        "says otherwise; numbers and standard deviations hold given this stage."
    )


def block_notes(block: Block, columns: Sequence[Column]) -> list[str]:
    """Notes under one table: missing seeds with the reason, given weights, mixed commits, other starts and
    numbers of frames, operating points, rows without tracks, and devices. columns: those asked for.
    """
    notes = [note for row in block.rows for note in _row_notes(row, block)]
    notes += start_notes(block) + frames_notes(block)
    notes += point_notes(
        columns,
        [(one_line(row.label(block.default_config)), row.done) for row in block.rows if row.status == DONE],
    )
    notes += empty_notes(block, columns)
    devices = "; ".join(one_line(name) for name in block.devices)
    if not seconds_are_comparable(block):
        notes.append(f"Seconds are left out: the runs used different devices ({devices}).")
    elif block.devices and block.devices != ("unknown",):
        notes.append(f"Device: {devices}.")
    return notes


def _row_notes(row: Row, block: Block) -> list[str]:
    label = one_line(row.label(block.default_config))
    if row.status != DONE:
        return []
    notes = [f"{label}, seed {seed}: {_reason(status, error)}" for seed, status, error in row.problems]
    if row.foreign:
        return [*notes, f"{label}: {_foreign_text(row)}; how they were trained is not known here."]
    absent = sorted(set(block.seeds) - set(row.done_seeds) - {seed for seed, _, _ in row.problems})
    if absent:
        seeds = "seed" if len(absent) == 1 else "seeds"
        notes.append(f"{label}: no record for {seeds} {', '.join(map(str, absent))}.")
    if row.initial_weights and row.done[0].get("train_data") is not None:
        notes.append(f"{label}: training started from weights given by hand ({row.initial_weights[:8]}).")
    commits = dict.fromkeys(str((record.get("git") or {}).get("commit", ""))[:7] for record in row.done)
    if len(commits) > 1:
        notes.append(
            f"{label}: seeds ran at different commits ({', '.join(c or 'unknown' for c in commits)})."
        )
    return notes


def _foreign_text(row: Row) -> str:
    record = row.done[0]
    code = one_line(str(record.get("foreign_code") or ""))
    if not code:
        return "predictions made elsewhere"
    return f"foreign code ({code}; licence: {one_line(record['licence'])}) with weights as given"


def row_problem(row: Row) -> str:
    """What stands in place of numbers in a row without any: statuses, seeds and the first error."""
    reasons = dict.fromkeys(_reason(status, error) for _, status, error in row.problems)
    count = f" ({len(row.problems)} seeds)" if len(row.problems) > 1 else ""
    return "; ".join(reasons) + count


def _reason(status: str, error: str) -> str:
    return f"{status}: {cut_end(one_line(error), _ERROR_WIDTH)}" if error.strip() else status


def visible_columns(block: Block, columns: Sequence[Column]) -> list[Column]:
    """The columns of a block; seconds only where all runs used one device, and the operating point only where
    all of them have one."""
    shown = [column for column in columns if column.unit != "seconds" or seconds_are_comparable(block)]
    return list(shared_columns(shown, [record for row in block.rows for record in row.done]))


def shown_columns(blocks: Sequence[Block], columns: Sequence[Column]) -> list[Column]:
    """Every column that stands in one of the tables, each once."""
    return list(dict.fromkeys(column for block in blocks for column in visible_columns(block, columns)))
