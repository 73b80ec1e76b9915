"""vis-bench data ls, verify, stats, card, convert."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vis_bench.cli.options import (
    DataRoot,
    Dataset,
    Split,
    SplitByDataset,
    TruthFile,
    optional_path,
    say,
    tell,
)

data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, verify and describe datasets."
)


@data_app.command("ls")
def data_ls(data_root: DataRoot = None) -> None:
    """List the known datasets and where they were found."""
    from vis_bench.data import catalog

    for name, status, where in catalog.describe_datasets(optional_path(data_root)):
        typer.echo(f"{name:<18} {status:<12} {where}")


@data_app.command("verify")
def data_verify(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Decode every frame.")] = True,
    data_root: DataRoot = None,
) -> None:
    """Check a dataset: format, masks, boxes, frames. Exits 3 when something is wrong, not for a warning."""
    from vis_bench.data import catalog
    from vis_bench.data.validate import WARNING, verify
    from vis_bench.errors import EXIT_DATA, DataError

    place = optional_path(data_root)
    try:
        opened = catalog.open_dataset(dataset, split or catalog.default_split(dataset), place)
    except DataError as error:
        raise DataError(f"{error}{_other_format(dataset)}") from None
    problems = verify(opened, check_frames=frames)
    for problem in problems:
        tell(problem)
    masks = sum(s is not None for track in opened.tracks or () for s in track.segmentations)
    warnings = sum(problem.startswith(WARNING) for problem in problems)
    frames_in_all = sum(video.length for video in opened.videos)
    tell(
        f"{opened.name} {opened.split}: {len(opened.videos)} videos, {frames_in_all} frames, "
        f"{len(opened.tracks or ())} tracks, {masks} masks, {len(problems) - warnings} problems"
        + (f", {warnings} warnings" if warnings else "")
    )
    if len(problems) > warnings:
        raise typer.Exit(EXIT_DATA)


def _other_format(place: str) -> str:
    """What to do about a file or folder that is of another format than YouTube-VIS; empty where it is not."""
    from pathlib import Path

    from vis_bench.errors import VisBenchError
    from vis_bench.integrations.formats.opened import find

    if not Path(place).exists():
        return ""
    try:
        found = find(Path(place)).format.name
    except VisBenchError:
        return ""
    if found in ("ytvis", "ytvis-results"):
        return ""
    return (
        f"\nThis is {found}, and what is verified is the layout of YouTube-VIS. Make a file of it first: "
        f"vis-bench data convert {place} instances_val.json"
    )


@data_app.command("stats")
def data_stats(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """Videos, frames, tracks, masks and their distribution."""
    from vis_bench.data import catalog
    from vis_bench.data.stats import dataset_stats
    from vis_bench.files import dump_json

    place = optional_path(data_root)
    stats = dataset_stats(catalog.open_dataset(dataset, split or catalog.default_split(dataset), place))
    typer.echo(dump_json(stats, indent=1) if json_ else "\n".join(_lines(stats)))


@data_app.command("card")
def data_card(
    dataset: Annotated[str, typer.Argument(help="Name or path.")],
    split: SplitByDataset = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_root: DataRoot = None,
) -> None:
    """How a split was chosen, its hashes and counts, and what is known of leakage.

    \b
    Examples:
      vis-bench data card ytvis21
      vis-bench data card ovis --split devval --json
    """
    from vis_bench.data.card import card_markdown
    from vis_bench.data.card import data_card as make
    from vis_bench.files import dump_json

    card = make(dataset, split, optional_path(data_root))
    typer.echo(dump_json(card.as_json(), indent=1) if json_ else card_markdown(card))


@data_app.command("convert")
def data_convert(
    source: Annotated[str, typer.Argument(metavar="FROM", help="File or folder.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="New file or folder.")],
    format_: Annotated[str | None, typer.Option("--format", help="Format of FROM.  [recognised]")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Format of TO.  [by its name]")] = None,
    video: Annotated[str | None, typer.Option(help="Convert this video alone.")] = None,
    truth: TruthFile = None,
    dataset: Dataset = None,
    split: Split = None,
    data_root: DataRoot = None,
) -> None:
    """Convert annotations or predictions; what the target cannot hold is said.

    Formats: ytvis, ytvis-results, coco-video, tao, burst, mots-txt, mots-png, davis, sav, mot, cvat.
    Predictions need the truth that they are about (--truth or --dataset), except COCO-video, TAO and BURST.

    \b
    Examples:
      vis-bench data convert cvat.xml instances_val.json
      vis-bench data convert results.json mots --to mots-txt --truth instances_val.json
    """
    from pathlib import Path

    from vis_bench.integrations.formats.convert import convert
    from vis_bench.scoring.files import open_reference

    reference = open_reference(truth, dataset, split, data_root, say) if truth or dataset else None
    found = convert(
        Path(source), Path(target), source_format=format_, target_format=to, reference=reference, video=video
    )
    say(f"{source}: read as {found.source.title} (--format {found.source.name})")
    for note in found.notes:
        say(f"{source}: {note}")
    for loss in found.lost:
        say(f"lost in {found.target.title}: {loss}")
    tell(f"{target}: {found.target.title}, {found.videos} videos, {found.objects} objects")


def _lines(value: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{key}", *_lines(item, indent + "  ")]
        else:
            shown = f"{item:.3g}" if isinstance(item, float) else item
            lines.append(f"{indent}{key:<{max(1, 30 - len(indent))}} {shown}")
    return lines
