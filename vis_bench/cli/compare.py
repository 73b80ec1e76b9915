"""vis-bench compare."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import DataRoot, IouType, Jobs, JsonFile, Threshold, TruthFile, put_json, say


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C...]", help="Methods as tables name them, run directories, or (--truth) files."
        ),
    ],
    metric: Annotated[
        str, typer.Option(help="AP, AP50, AR10, fAP, IDF1, MOTA, HOTA, ... as in tables.")
    ] = "AP",
    records: Annotated[
        list[str] | None, typer.Option(help="Folder of the runs; may be given again.  [default: runs]")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Which dataset, or where the videos of a path are.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Which protocol.")] = None,
    margin: Annotated[float, typer.Option(help="Points within which methods count as equivalent.")] = 0.5,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Every pair instead of A with each other one.")
    ] = False,
    threshold: Threshold = None,
    json_: JsonFile = None,
    jobs: Jobs = 1,
    data_root: DataRoot = None,
    truth: TruthFile = None,
    iou_type: IouType = "segm",
) -> None:
    """Say which method is better, by how much, and whether other seeds and videos would agree.

    Scores the predictions of the runs again under resampled videos. Needs no torch.

    \b
    Examples:
      vis-bench compare stc inspro
      vis-bench compare inspro inspro@A inspro@B --metric AP50
      vis-bench compare a.json b.json --truth instances_val.json
      vis-bench compare runs-old/stc runs-new/stc --margin 1
    """
    from vis_bench.files import require_target
    from vis_bench.report.terminal.verdicts import comparison_text
    from vis_bench.study.compare import as_json, study

    require_target(json_)
    found = study(
        names,
        metric=metric,
        records=records or "runs",
        dataset=dataset,
        split=split,
        protocol=protocol,
        margin=margin,
        all_pairs=all_pairs,
        jobs=jobs,
        data_root=data_root,
        threshold=threshold,
        truth=truth,
        iou_type=iou_type,
        say=say,
    )
    if not put_json(json_, as_json(found)):
        typer.echo(comparison_text(found))
