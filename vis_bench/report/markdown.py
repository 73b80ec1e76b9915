"""The report folder: report.md, table.csv and the pictures, written from records only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vis_bench.errors import DataError
from vis_bench.files import read_bytes, write_bytes, write_text
from vis_bench.method import Choice
from vis_bench.report.caption import column_sentences, heading, marks_sentences, pretraining_sentences
from vis_bench.report.columns import COLUMNS, DEFAULT_COLUMNS, Column, Record, choose_columns
from vis_bench.report.csv_file import table_frame
from vis_bench.report.pipe_table import code_block, escape, image, pipe_table
from vis_bench.report.rows import Block, Protocols, build_blocks, installed_protocols
from vis_bench.report.sections import category_section, comparison_section, methods_section, mot_section

REPORT_NAME = "report.md"
CSV_NAME = "table.csv"


def write_report(
    folder: Path,
    records: Sequence[Record],
    pictures: Mapping[str, Path],
    metrics: Sequence[str] = DEFAULT_COLUMNS,
    protocols: Protocols | None = None,
    choices: Mapping[str, Sequence[Choice]] | None = None,
) -> Path:
    """Write the report of `records` into `folder` and return the path of report.md.

    pictures: files by their caption, copied into `folder/pictures` unless inside the folder. metrics: columns
    of the main table (table.csv holds all). protocols: by (name, content hash), None for the installed ones.
    choices: open points of the papers by method name, listed where they are not from the paper. Raises
    DataError for malformed or no records and for a missing picture, UsageError for unknown columns.
    """
    if not records:
        raise DataError(
            "There is no record to report. Run a method first, or name a folder that holds records."
        )
    known = installed_protocols() if protocols is None else protocols
    blocks = build_blocks(records, known)
    columns = choose_columns(metrics)
    sections = [
        "# vis-bench report",
        "Made from records only. Runs stand in one table when data, protocol and kind of region agree.",
        *(part for block in blocks for part in _block_sections(block, columns)),
        _legend(blocks, columns, known),
        methods_section(blocks),
        _protocol_section(blocks, known),
        _not_from_a_paper_section(records, choices or {}),
        _pictures_section(folder, pictures),
        _origin_section(records),
    ]
    frame = table_frame(blocks, tuple(COLUMNS.values()))
    write_text(folder / CSV_NAME, frame.to_csv(index=False, lineterminator="\n"))
    write_text(folder / REPORT_NAME, "\n\n".join(section for section in sections if section) + "\n")
    return folder / REPORT_NAME


def _block_sections(block: Block, columns: Sequence[Column]) -> list[str]:
    return [
        f"## {escape(heading(block))}",
        comparison_section(block, columns),
        category_section(block),
        mot_section(block),
    ]


def _legend(blocks: Sequence[Block], columns: Sequence[Column], protocols: Protocols) -> str:
    sentences = [
        *column_sentences(columns),
        *marks_sentences(blocks, columns),
        *pretraining_sentences(blocks, protocols),
        f"All columns at full precision: [{CSV_NAME}]({CSV_NAME}).",
    ]
    return "## How to read the tables\n\n" + "\n".join(
        f"- {sentence if CSV_NAME in sentence else escape(sentence)}" for sentence in sentences
    )


def _protocol_section(blocks: Sequence[Block], protocols: Protocols) -> str:
    parts = ["## Protocol"]
    for name, content in dict.fromkeys((block.protocol, block.protocol_hash) for block in blocks):
        parts.append(f"### {escape(name)} ({escape(content)})")
        protocol = protocols.get((name, content))
        if protocol is None:
            parts.append(
                "This installation has no protocol of this name with this hash, so its text is not shown."
            )
            continue
        parts.append(escape(protocol.about))
        settings = protocol.model_dump(mode="json", exclude={"name", "about", "not_from_a_paper"})
        parts.append(code_block(json.dumps(settings, indent=2, ensure_ascii=False), "json"))
    return "\n\n".join(parts)


def _not_from_a_paper_section(records: Sequence[Record], choices: Mapping[str, Sequence[Choice]]) -> str:
    shared = dict.fromkeys(
        (record["protocol"], record["not_from_a_paper"])
        for record in records
        if record.get("not_from_a_paper")
    )
    lines = [f"- protocol {escape(name)}: {escape(text)}" for name, text in shared]
    notes = dict.fromkeys(
        (record["method"], note)
        for record in records
        for note in record.get("notes") or ()
        if str(note).strip()
    )
    lines += [f"- {escape(method)}: {escape(str(note))}" for method, note in notes]
    ours = [
        [escape(method), escape(choice.id), escape(choice.key), escape(choice.source), escape(choice.note)]
        for method in dict.fromkeys(record["method"] for record in records)
        for choice in choices.get(method, ())
        if choice.source != "paper"
    ]
    parts = ["\n".join(lines)] if lines else []
    if ours:
        parts.append("Open points of the papers and how they were decided:")
        parts.append(pipe_table(["method", "row", "key", "source", "note"], ours, text_columns=5))
    return "\n\n".join(["## What is not from a paper", *parts]) if parts else ""


def _pictures_section(folder: Path, pictures: Mapping[str, Path]) -> str:
    """Pictures outside the folder are copied into it, numbered so that equal names do not collide."""
    parts = []
    for number, (label, path) in enumerate(pictures.items(), start=1):
        target = path.resolve()
        if not target.is_relative_to(folder.resolve()):
            target = folder.resolve() / "pictures" / f"{number:02d}_{path.name}"
            write_bytes(target, read_bytes(path))
        elif not target.is_file():
            raise DataError(f"{path}: no such picture for the report.")
        relative = target.relative_to(folder.resolve()).as_posix()
        parts.append(f"### {escape(label)}\n\n{image(label, relative)}")
    return "\n\n".join(["## Pictures", *parts]) if parts else ""


def _origin_section(records: Sequence[Record]) -> str:
    """Hashes, versions and hardware of the runs, each distinct combination once."""
    parts = ["## Where the numbers come from"]
    for key, title in (("data", "Data"), ("versions", "Versions"), ("hardware", "Hardware")):
        texts = dict.fromkeys(
            json.dumps(record[key], ensure_ascii=False, sort_keys=True)
            for record in records
            if record.get(key)
        )
        if texts:
            parts.append(f"{title}:\n\n{code_block(chr(10).join(texts), 'json')}")
    return "\n\n".join(parts) if len(parts) > 1 else ""
