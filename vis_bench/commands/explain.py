"""`vis-bench explain`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from vis_bench.commands.eval import open_truth, parse_iou_type
from vis_bench.data.predictions import read_results
from vis_bench.files import dump_json, write_json
from vis_bench.report.terminal.explanation import explanation_text
from vis_bench.scoring.evaluate import error_events
from vis_bench.scoring.explain import explain


@dataclass(frozen=True, slots=True)
class ExplainArguments:
    """The options of `vis-bench explain` as given."""

    predictions: Path
    truth: Path | None
    dataset: str | None
    split: str | None
    json: str | None
    events: Path | None
    iou_type: str
    data_root: Path | None


def explain_command(arguments: ExplainArguments) -> None:
    """Say why a results file scores what it scores. Errors as `vis-bench eval`."""
    iou_type = parse_iou_type(arguments.iou_type)
    dataset = open_truth(arguments.truth, arguments.dataset, arguments.split, arguments.data_root)
    tracks = read_results(arguments.predictions, dataset, iou_type=iou_type)
    result = explain(dataset, tracks, iou_type)
    if arguments.events is not None:
        events = error_events(dataset, tracks, iou_type=iou_type)
        write_json(
            arguments.events,
            [
                {
                    "kind": event.kind,
                    "video": event.video_id,
                    "frame": event.frame,
                    "objects": list(event.truth_ids),
                    "tracks": list(event.tracks),
                }
                for event in events
            ],
        )
    if arguments.json == "-":
        sys.stdout.write(dump_json(result, indent=1) + "\n")
        return
    if arguments.json is not None:
        write_json(Path(arguments.json), result)
    typer.echo(explanation_text(result))
