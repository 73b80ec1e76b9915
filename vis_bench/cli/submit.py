"""vis-bench submit."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, Format, Split, TruthFile, say, tell


def submit(
    source: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Run directory, or predictions.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset by name or path.")],
    out: Annotated[str, typer.Option("--out", "-o", help="New zip file.")],
    split: Split = None,
    max_tracks: Annotated[int, typer.Option(min=1, help="Most tracks of a video, the best first.")] = 100,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="A video may have no prediction.")
    ] = False,
    format_: Format = None,
    truth: TruthFile = None,
    data_root: DataRoot = None,
) -> None:
    """Check predictions and pack them as evaluation servers take them: results.json in a zip.

    \b
    Examples:
      vis-bench submit runs/ytvis21-valid/paper/RUN --dataset ytvis21 -o out.zip
      vis-bench submit results.json --dataset lvvis -o out.zip
    """
    from vis_bench.integrations import submission

    found = submission.submit(
        source,
        dataset,
        out,
        split=split,
        max_tracks=max_tracks,
        allow_empty=allow_empty,
        format=format_,
        truth=truth,
        data_root=data_root,
        say=say,
    )
    if found.cut:
        say(f"vis-bench: {found.cut} tracks beyond the best {max_tracks} of their video are left out.")
    tell(f"{found.path}: {found.tracks} tracks of {found.videos} videos")
