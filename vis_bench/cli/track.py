"""vis-bench track."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vis_bench.cli.options import Associate, Device, Project, Prompt, say

if TYPE_CHECKING:
    from vis_bench.engine.process.progress import Progress

MOST_SHOWN_FRAMES = 600
"""Of a video on the page, from its beginning: it is one file, which a browser has to open."""


def track(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Video files, folders of frames, or patterns.")
    ],
    methods: Annotated[str, typer.Option("--methods", "-m", help="NAME[@CONFIG], or several with commas.")],
    out: Annotated[
        str, typer.Option("--out", "-o", help="New folder, or that of this command, ended before.")
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint; once for each method, in order. `hf:` methods bring theirs."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="File with a class name a line, or a dataset.  [of the weights' run]")
    ] = None,
    device: Device = "auto",
    max_tracks: Annotated[
        int | None, typer.Option(min=1, help="Most tracks a video or frame, as the method counts.  [10]")
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="Write mp4 files.")] = True,
    above: Annotated[float, typer.Option(help="Draw tracks scored above this into the mp4 files.")] = 0.3,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write the viewer page.")] = True,
    project: Project = None,
    associate: Associate = None,
    prompt: Prompt = None,
) -> None:
    """Track videos that have no annotations: results, an overlay as mp4 and a viewer page.

    After an interrupt the same command goes on behind the last video that was done.

    \b
    Examples:
      vis-bench track holiday.mp4 -m stc --weights runs/.../checkpoint.safetensors -o out
      vis-bench track frames/ -m mask2former_vis@paper --weights w.pth --classes ytvis21 -o out
    """
    from vis_bench.data.predictions import write_results
    from vis_bench.data.unlabelled import as_dataset, find_sources
    from vis_bench.data.video_files import require_av
    from vis_bench.data.ytvis import write_annotations
    from vis_bench.engine.process.devices import choose_devices
    from vis_bench.engine.process.environment import require_torch
    from vis_bench.files import require_writable
    from vis_bench.report.videos.overlay import write_overlay
    from vis_bench.setup.frameworks import with_options
    from vis_bench.setup.plugins import check_shadowing, expand_methods

    check_shadowing()
    folder = Path(out)
    if overlay:
        require_av()
    chosen = choose_devices(device, 1).slots[0][0]
    require_torch(chosen)
    from vis_bench.engine.process.progress import Bars
    from vis_bench.engine.results_spool import ResultsSpool
    from vis_bench.engine.videos.track import classes_of, prepare, request_of, track_sources
    from vis_bench.engine.videos.unfinished import Unfinished

    asked = {"project": project, "associate": associate, "prompt": prompt}
    prepared = prepare(with_options(list(expand_methods(methods)), asked), weights or (), max_tracks)
    names = classes_of(classes, prepared)
    sources = find_sources(videos)
    require_writable(folder)
    unfinished = Unfinished.open(folder, request_of(prepared, sources, names, chosen))
    if done := unfinished.done():
        say(f"goes on    {done} of {len(prepared) * len(sources)} videos were done")
    by_id = dict(enumerate(names, start=1))
    write_annotations(folder / "videos.json", as_dataset(sources, names))
    found = []
    with ResultsSpool(folder) as spool:
        for one in prepared:
            bars = Bars()
            report = bars.callback(one.label)
            try:
                tracks, ahead, notes = track_sources(one, sources, names, chosen, report, spool, unfinished)
                several = f"-{one.label.replace('@', '_')}" if len(prepared) > 1 else ""
                results = folder / f"results{several}.json"
                write_results(results, tracks)
                found.append((one.label, tracks, one.spec.info.iou_type))
                for source in sources if overlay else ():
                    length = source.video.length
                    write_overlay(
                        folder / f"{source.video.name}{several}.mp4",
                        source.video,
                        source.frames(),
                        [track for track in tracks if track.video_id == source.video.id],
                        by_id,
                        source.rate,
                        _overlay_progress(report, length),
                        above,
                    )
            finally:
                bars.close()
            mode = f"looks {ahead} frames ahead" if ahead else "on-line"
            say(f"{one.label}: {len(tracks)} tracks in {len(sources)} videos, {mode}: {results}")
            for note in notes:
                say(f"vis-bench: {one.label}: {note}")
        if page:
            from vis_bench.report.formats.videos_page import write_videos_page
            from vis_bench.report.videos.unlabelled_viewer import unlabelled_viewer

            viewer = unlabelled_viewer(sources, names, found, MOST_SHOWN_FRAMES)
            title = ", ".join(one.label for one in prepared)
            say(f"page       {write_videos_page(folder, viewer, f'vis-bench track: {title}')}")
    unfinished.remove()
    typer.echo(str(folder))


def _overlay_progress(report: Progress, length: int) -> Callable[[int], object]:
    return lambda done: report("overlay", done, length)
