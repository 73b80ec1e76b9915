"""A whole piece of work: stills, image stage, training on two devices, tracking, record, report, baseline.

`python kill_steps.py FOLDER [NAME MOMENT]`: with a name, the process kills itself when it writes a file or
folder of that name: at the `begin`, when only a temporary one is there, or at the `end`, before the rename.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
METHOD = f"{HERE.parent / 'engine' / 'image_stage_method.py'}:SPEC"
PROTOCOL = """
name = "kills"
about = "all that a run can write"
config = "default"
[training]
checkpoint_every_iterations = 2
[image_stage]
distinct = 4
images = 16
images_per_step = 2
"""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch(name: str, moment: str) -> None:
    """Kill this process at a moment of writing `name`; others, which it starts, are left alone."""
    make_file, make_folder, replace, rename = tempfile.mkstemp, tempfile.mkdtemp, os.replace, os.rename

    def made(make: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            found = make(*args, **options)
            if moment == "begin" and name in str(options.get("prefix")):
                die()
            return found

        return call

    def renamed(move: Any) -> Any:
        def call(source: Any, target: Any, *rest: Any, **options: Any) -> Any:
            if moment == "end" and name in os.path.basename(target):
                die()
            return move(source, target, *rest, **options)

        return call

    tempfile.mkstemp, tempfile.mkdtemp = made(make_file), made(make_folder)
    os.replace, os.rename = renamed(replace), renamed(rename)


def call(*arguments: object) -> None:
    from vis_bench.cli import main

    sys.argv = ["vis-bench", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def work(folder: Path) -> None:
    from square_videos import write_split

    from vis_bench.data import stored

    # the annotations are worth a packed store
    stored.WORTH_BYTES = 1
    squares, protocol = folder / "squares", folder / "kills.toml"
    if not protocol.exists():
        write_split(squares, "train", 3)
        write_split(squares, "val", 2)
        protocol.write_text(PROTOCOL)
    call(
        *("run", "--methods", METHOD, "--dataset", squares, "--protocol", protocol, "--out", folder / "runs"),
        *("--devices", 2, "--device", "cpu", "--jobs", 1, "--keep-frames", "--set", "train.shard_clips=1"),
    )
    (record,) = folder.glob("runs/squares-val/**/record.json")
    call("report", folder / "runs", "--out", folder / "report", "--dataset", squares)
    # a method that is not installed has no rule for its stored detections
    plain = folder / "plain"
    shutil.rmtree(plain, ignore_errors=True)
    shutil.copytree(record.parent, plain, ignore=shutil.ignore_patterns("frames.jsonl.gz"))
    call("gate", "--make", folder / "baseline", plain, "--dataset", squares)


if __name__ == "__main__":
    for place in (HERE.parents[1], HERE.parent / "data", HERE.parent / "engine"):
        sys.path.insert(0, str(place))
    if len(sys.argv) > 2:
        watch(*sys.argv[2:4])
    work(Path(sys.argv[1]))
