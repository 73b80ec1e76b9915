"""The numbers of a leaderboard as JSON and CSV, for scripts and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.leaderboard.entries import Entry
from vis_bench.leaderboard.table import RANKED_BY, SHOWN, WITHOUT_INTERVAL, LeaderTable, Line
from vis_bench.report.tables.text import no_formula

FORMAT = "vis-bench leaderboard"
VERSION = 1


def board_json(
    tables: Sequence[LeaderTable], refused: Sequence[tuple[str, str]], pages: Mapping[int, str]
) -> dict[str, Any]:
    """Everything on the site; pages: by the `id` of the entry. Fractions at full precision, None where
    unknown."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "ranked_by": RANKED_BY,
        "tables": [_table(table, pages) for table in tables],
        "refused": [{"bundle": name, "reason": reason} for name, reason in refused],
    }


def _table(table: LeaderTable, pages: Mapping[int, str]) -> dict[str, Any]:
    block = table.group.block
    return {
        **{
            name: getattr(block, name)
            for name in (
                "dataset",
                "split",
                "videos",
                "iou_type",
                "protocol",
                "protocol_hash",
                "training",
                "prompt",
            )
        },
        "annotation_hash": block.rows[0].records[0]["data"]["annotation_hash"],
        "split_hash": block.rows[0].records[0]["data"]["split_hash"],
        "entries": [_line(line, pages) for line in table.lines],
        "conflicts": list(table.conflicts),
    }


def _line(line: Line, pages: Mapping[int, str]) -> dict[str, Any]:
    entry = line.entry
    return {
        "rank": None if line.places is None else line.rank,
        "rank_low": None if line.places is None else line.places[0],
        "rank_high": None if line.places is None else line.places[1],
        "name": entry.label,
        "method": entry.row.method,
        "config": entry.row.config,
        "paradigm": entry.row.paradigm,
        "online": entry.row.records[0]["online"],
        "foreign": entry.row.foreign,
        "seeds": [record["seed"] for record in entry.row.records],
        "checked": entry.checked,
        "differing": [one.name for run in entry.runs for one in run.differing],
        "reasons": list(entry.reasons),
        "metrics": {
            name: {"mean": one.mean, "low": one.low, "high": one.high, "sd": one.sd}
            for name, one in line.values.items()
        },
        "fps": line.fps,
        "seconds_per_frame": line.seconds_per_frame,
        "bundle": entry.source,
        "sha256": entry.bundle.sha256,
        "signature": entry.bundle.signature,
        "page": pages.get(id(entry)),
    }


def board_csv(board: Mapping[str, Any]) -> str:
    """One line an entry of `board_json`; text that a spreadsheet would compute stays text."""
    who = ("name", "method", "config", "paradigm", "online", "foreign")
    where = ("dataset", "split", "videos", "iou_type", "protocol", "protocol_hash", "training")
    numbers = [*((name, part) for name in SHOWN for part in ("mean", "low", "high", "sd"))]
    numbers += [(name, part) for name in WITHOUT_INTERVAL for part in ("mean", "sd")]
    rest = ("fps", "seconds_per_frame", "bundle", "sha256", "signature", "page")
    sink = io.StringIO()
    lines = csv.writer(sink, lineterminator="\n")
    lines.writerow(
        [*where, "rank_low", "rank_high", *who, "seeds", "checked", *(f"{n}_{p}" for n, p in numbers), *rest]
    )
    for table in board["tables"]:
        for entry in table["entries"]:
            cells = [
                *(table[name] for name in where),
                *(entry["rank_low"], entry["rank_high"]),
                *(entry[name] for name in who),
                " ".join(map(str, entry["seeds"])),
                entry["checked"],
                *(entry["metrics"][name][part] for name, part in numbers),
                *(entry[name] for name in rest),
            ]
            lines.writerow([no_formula(cell) if isinstance(cell, str) else cell for cell in cells])
    return sink.getvalue()


def of_entry(entry: Entry) -> dict[str, Any]:
    """Provenance of an entry in words, by name, in order; empty values are left out."""
    first = entry.runs[0].record
    git, hardware = first.get("git") or {}, first.get("hardware") or {}
    stage, start = first.get("image_stage") or {}, first.get("start") or {}
    code = str(git.get("commit") or "")
    facts = {
        "bundle": f"{entry.source} (SHA-256 {entry.bundle.sha256})",
        "signature": entry.bundle.signature or "none",
        "note": entry.bundle.manifest.note,
        "method": f"{first['title']} ({first['method']}@{first['config']})",
        "paradigm": f"{first['paradigm']}, {_online(first['online'])}",
        "paper": first["paper"],
        "licence": first["licence"],
        "data": _data(first["data"]),
        "trained on": _data(first["train_data"]) if first.get("train_data") else "",
        "and on": _data(first["extra_data"]) if first.get("extra_data") else "",
        "started from": " ".join(str(x) for x in (stage.get("name"), start.get("source")) if x),
        "weights given by hand": first.get("initial_weights") or "",
        "protocol": f"{first['protocol']} ({first['protocol_hash']})",
        "runs": ", ".join(f"seed {one.record['seed']}: {one.record['run_hash'][:16]}" for one in entry.runs),
        "code": f"vis-bench {first['vis_bench_version']}"
        + (f", commit {code}" if code else "")
        + (", with changes that are in no commit" if git.get("dirty") else ""),
        "packages": ", ".join(f"{name} {text}" for name, text in (first.get("versions") or {}).items()),
        "hardware": ", ".join(f"{name} {text}" for name, text in hardware.items()),
        "precision": first.get("precision") or "",
        "look-ahead": "not measured"
        if first.get("look_ahead_frames") is None
        else f"{first['look_ahead_frames']} frames",
    }
    return {name: str(text) for name, text in facts.items() if text}


def _online(value: bool | None) -> str:
    return "not known whether on-line" if value is None else "on-line" if value else "off-line"


def _data(data: Mapping[str, Any]) -> str:
    return (
        f"{data['name']} {data['split']}, {data['videos']} videos (annotations "
        f"{data['annotation_hash'][:16]}, "
        f"list of videos {data['split_hash'][:16]})"
    )
