"""vis-bench reassociate."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import Changes, DataRoot, JsonFile, Split, optional_path, put_json, say


def reassociate(
    frames: Annotated[
        str,
        typer.Argument(metavar="FRAMES", help="frames.jsonl.gz of a run with --keep-frames, or its folder."),
    ],
    method: Annotated[
        str, typer.Option("--method", "-m", help="Whose association rule: NAME[@VARIANT],... or `all`.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset that the run was evaluated on.")],
    split: Split = None,
    set_: Changes = None,
    json_: JsonFile = None,
    predictions: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the tracks here (one rule), results format.")
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Track the stored detections of one run under the association rule of another method.

    Needs no torch and no GPU.

    \b
    Examples:
      vis-bench run --methods stc --dataset shapes --keep-frames
      vis-bench reassociate runs/shapes-test/shapes/stc@tiny-seed-0-... -m all -d shapes
      vis-bench reassociate frames.jsonl.gz -m stc -d shapes --set association.iou_weight=0
    """
    from vis_bench.report.terminal.rule_table import rule_table
    from vis_bench.scoring.transplant import transplant

    results = transplant(
        frames,
        method,
        dataset,
        split=split,
        overrides=set_ or (),
        predictions=optional_path(predictions),
        data_root=optional_path(data_root),
        say=say,
    )
    if not put_json(json_, results):
        typer.echo(rule_table(results))
