"""Write the leaderboard as a static site: `vis-bench leaderboard`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from vis_bench.errors import UsageError
from vis_bench.files import dump_json, file_name, read_json, write_text
from vis_bench.leaderboard.entries import Entry, read_board
from vis_bench.leaderboard.files import FORMAT, board_csv, board_json, of_entry
from vis_bench.leaderboard.pages import ABOUT_ERRORS, configuration_text, entry_profile, entry_viewer
from vis_bench.leaderboard.table import RANKED_BY, SHOWN, WITHOUT_INTERVAL, LeaderTable, leader_table
from vis_bench.report.tables.caption import heading

INDEX_NAME, JSON_NAME, CSV_NAME, PAGES = "index.html", "leaderboard.json", "leaderboard.csv", "entries"


def _nowhere(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Site:
    """What was written. refused: (name, reason) of bundles that were not taken."""

    index: Path
    tables: int
    entries: int
    rescored: int
    refused: tuple[tuple[str, str], ...]


def write_leaderboard(
    folder: str | Path,
    out: str | Path,
    *,
    truths: Sequence[str | Path] = (),
    data_root: str | Path | None = None,
    rescore: bool = True,
    viewer: bool = True,
    signers: str | Path | None = None,
    title: str = "vis-bench leaderboard",
    say: Callable[[str], object] = _nowhere,
) -> Site:
    """Make a static site of all bundles below a folder; the same bundles and truth give the same bytes.

    truths: annotation files, for data sets that are not found by name. rescore: score every bundle again;
    what cannot be is marked as claimed, and has no place in the ranking. viewer: of the videos, on every
    entry's page. signers: OpenSSH's allowed signers; then only bundles signed by one are taken.

    Raises UsageError (exit code 2) for a folder `out` that holds something else, DataError (3) without
    bundles.
    """
    target = Path(out)
    _require_ours(target)
    place = None if data_root is None else Path(data_root)
    allowed = None if signers is None else Path(signers)
    with read_board(Path(folder), [Path(one) for one in truths], place, rescore, allowed, say) as board:
        tables = [leader_table(group) for group in board.groups]
        pages = _page_names(tables)
        entries = list({id(line.entry): line.entry for table in tables for line in table.lines}.values())
        environment = _environment()
        for entry in entries:
            say(f"page       {entry.label} of {entry.source}")
            found, no_viewer = entry_viewer(entry) if viewer else (None, "left out")
            text = environment.get_template("leaderboard_entry.html.j2").render(
                title=title,
                entry=entry,
                facts=of_entry(entry),
                profile=entry_profile(entry),
                about_errors=ABOUT_ERRORS,
                viewer=found,
                no_viewer=no_viewer,
                configuration=configuration_text(entry),
                standing=_standing(entry, tables),
                columns=(*SHOWN, *WITHOUT_INTERVAL),
            )
            write_text(target / pages[id(entry)], text)
        numbers = board_json(tables, board.refused, pages)
        index = environment.get_template("leaderboard.html.j2").render(
            title=title,
            tables=[(heading(table.group.block), table) for table in tables],
            page_of=lambda entry: pages[id(entry)],
            paradigms=sorted({entry.row.paradigm for entry in entries}),
            refused=board.refused,
            ranked_by=RANKED_BY,
            shown=SHOWN,
            others=WITHOUT_INTERVAL,
            csv_name=CSV_NAME,
            json_name=JSON_NAME,
        )
        write_text(target / INDEX_NAME, index)
        write_text(target / CSV_NAME, board_csv(numbers))
        write_text(target / JSON_NAME, dump_json(numbers, indent=1) + "\n")
        _remove_old(target, {target / name for name in pages.values()})
        return Site(
            target / INDEX_NAME,
            len(tables),
            len(entries),
            sum(entry.checked == "re-scored" for entry in entries),
            board.refused,
        )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("vis_bench.report.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page_names(tables: Sequence[LeaderTable]) -> dict[int, str]:
    """The page of each entry, by its `id`; no two are the same on any file system."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for table in tables:
        for line in table.lines:
            entry = line.entry
            if id(entry) in names:
                continue
            base = file_name(f"{entry.label}-{entry.bundle.sha256[:8]}")
            name, number = base, 2
            while name.lower() in taken:
                name, number = f"{base}-{number}", number + 1
            taken.add(name.lower())
            names[id(entry)] = f"{PAGES}/{name}.html"
    return names


def _standing(entry: Entry, tables: Sequence[LeaderTable]) -> list[tuple[str, object]]:
    """(heading, line) of every table that an entry stands in."""
    return [
        (heading(table.group.block), line) for table in tables for line in table.lines if line.entry is entry
    ]


def _require_ours(target: Path) -> None:
    """Refuse to write into a folder of something else. Raises UsageError."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"-o {target}: is a file; a folder is needed.")
    if not any(target.iterdir()):
        return
    marker = target / JSON_NAME
    content = read_json(marker) if marker.is_file() else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"-o {target}: is not empty and no leaderboard. Name a new folder.")


def _remove_old(target: Path, written: set[Path]) -> None:
    """Remove the pages of entries that are there no more; links and folders are left alone."""
    for path in sorted((target / PAGES).glob("*.html")):
        if path not in written and path.is_file() and not path.is_symlink():
            path.unlink()
