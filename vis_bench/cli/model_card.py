"""vis-bench model-card."""

from __future__ import annotations

from typing import Annotated

import typer

from vis_bench.cli.options import say


def model_card(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories, or folders of them.")],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the YAML here.  [default: print it]"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.  [default: of the method]")] = None,
    badge: Annotated[
        str | None, typer.Option(metavar="FILE.svg", help="Draw a badge of the first row.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Of the badge.")] = "AP",
) -> None:
    """Numbers of runs for a model card: the `model-index` that hubs read, and a badge.

    \b
    Examples:
      vis-bench model-card runs/shapes-test/shapes/stc@tiny-seed-* -o metadata.yaml
      vis-bench model-card runs/shapes-test --badge ap.svg --metric AP50
    """
    from pathlib import Path

    from vis_bench.errors import DataError
    from vis_bench.files import write_text
    from vis_bench.records.columns import compared_column
    from vis_bench.records.rows import build_blocks, installed_protocols
    from vis_bench.records.run import find_records, read_record
    from vis_bench.report.formats.badge import badge_svg, badge_text
    from vis_bench.report.formats.model_index import model_index, yaml_text

    compared_column(metric)
    records = [read_record(path).model_dump(mode="json") for path in find_records(map(Path, runs))]
    found = model_index(records, name)
    if not found["model-index"]:
        raise DataError(f"{', '.join(runs)}: no run with numbers.")
    text = yaml_text(found)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(Path(out), text)
        say(f"written    {out}")
    if badge is not None:
        block = next(
            one for one in build_blocks(records, installed_protocols()) if any(r.done for r in one.rows)
        )
        row = next(one for one in block.rows if one.done)
        write_text(Path(badge), badge_svg(badge_text(block, row, metric)))
        say(f"badge      {badge}")
