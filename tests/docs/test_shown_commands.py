"""Every command of READMEs, CONTRIBUTING and docs/, in a block or a sentence, is executed by a test, or
listed with a reason.

Those of docs/tutorial.md, docs/training.md and docs/findings.md have tests of their own, and .ci/run executes
two of README. Of the others, what not_executed.toml does not list is executed here as it stands, in a folder
that holds files of the names that pages use. `run` and `speed` are planned (--dry-run) in the configuration
`tiny`: options, names and data are checked, nothing is trained. A new command is executed by itself;
where it cannot be, this fails until it is listed.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import findings_page
import pytest
import test_doc_commands
import test_tutorial
from coco_files import write_coco
from shown import BLOCK, PAGES, ROOT, commands, first_line, not_executed, python_blocks, run_by_ci, sentences
from square_videos import write_split
from test_advice import OF_OTHERS, OPTION, known_command
from test_advice import commands as options_of_commands
from test_official_layouts import write_official

from vis_bench.data.catalog import open_dataset
from vis_bench.integrations.formats.content import truth_content
from vis_bench.integrations.formats.convert import only_video
from vis_bench.integrations.formats.table import FORMATS

PLANNED = ("run", "speed")
STANDING_IN = (
    # the data sets that the folder does not hold
    (r"--dataset (lvvis|ovis)\b", "--dataset ytvis21"),
    (r"(vis-bench submit .*--dataset ytvis21)\b", r"\1 --split devval"),
    # random weights, since no trained ones are here
    (r"(vis-bench speed .*) --runs runs\b", r"\1"),
    # reports of many records take a minute each
    (r"(vis-bench report .*)results/(study/main|shapes-quick)\b", r"\1results/no-image-stage"),
    # the time of a `paper` configuration is estimated, which takes half a minute for each
    (r"(vis-bench run .*--dataset ytvis21\b.*)", r"\1 --protocol video"),
    (r"@paper\b", "@tiny"),
    (r"--device cuda\b", "--device cpu"),
)
EXECUTED_ELSEWHERE = {
    *run_by_ci(),
    *test_tutorial.COMMANDS,
    *(command for command, _ in test_doc_commands.COMMANDS),
    *(shown.text for shown in findings_page.tables(findings_page.PAGE.read_text(encoding="utf-8"))),
}
HERE = [
    one
    for one in {one.text: one for one in (*sentences(), *commands())}.values()
    if one.text not in EXECUTED_ELSEWHERE and one.text not in not_executed()
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the names that the pages use, about the two held-out videos of a tiny YouTube-VIS 2021."""
    folder = tmp_path_factory.mktemp("shown")
    write_official(folder / "data", "ytvis21")
    held_out = truth_content(open_dataset("ytvis21", "devval", folder / "data", folder / "cache"))
    one_video = only_video(held_out, held_out.videos[0].name)
    FORMATS["ytvis"].write(held_out, folder / "instances_val.json")
    for name in ("results.json", "a.json", "results.zip"):
        FORMATS["ytvis-results"].write(held_out, folder / name)
    # one of the two objects is not found
    FORMATS["ytvis-results"].write(replace(held_out, objects=held_out.objects[1:]), folder / "b.json")
    boxes = json.loads((folder / "results.json").read_text())
    for one in boxes:
        one["bboxes"] = [[8.0, 16.0, 32.0, 32.0]] * len(one.pop("segmentations"))
    (folder / "boxes.json").write_text(json.dumps(boxes))
    FORMATS["cvat"].write(one_video, folder / "cvat.xml")
    (folder / "mots").mkdir()
    FORMATS["mots-txt"].write(one_video, folder / "mots")
    write_split(folder / "path" / "to" / "videos", "train", 2)
    write_split(folder / "path" / "to" / "videos", "val", 2)
    write_coco(folder / "path" / "to" / "coco")
    for name in ("results", "docs"):
        (folder / name).symlink_to(ROOT / name)
    for path in (*ROOT.glob("results/shapes-quick/stc@*"), *ROOT.glob("results/shapes-quick/inspro@*")):
        shutil.copytree(path, folder / "runs" / path.name)
    (folder / "speed-records").symlink_to(ROOT / "results" / "speed-lite")
    protocol = (ROOT / "protocols" / "shapes.toml").read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(protocol.replace('name = "shapes"', 'name = "mine"'), encoding="utf-8")
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (study,) = (text for kind, text in BLOCK.findall(page) if kind == "toml" and "methods = [" in text)
    (folder / "study.toml").write_text(study, encoding="utf-8")
    return folder


def words_of(command: str) -> list[str]:
    """The command as it is executed: a data set that is here, a plan in place of a training."""
    for pattern, replacement in STANDING_IN:
        command = re.sub(pattern, replacement, command)
    program, *words = shlex.split(command)
    assert program == "vis-bench", command
    if words[0] in PLANNED and "--dry-run" not in words:
        words.append("--dry-run")
    return words


@pytest.mark.shown
@pytest.mark.parametrize("command", [pytest.param(one.text, id=one.place) for one in HERE])
def test_it_runs_as_it_is_shown(
    command: str,
    files: Path,
    tmp_path: Path,
    vis_bench: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = words_of(command)
    # a conversion overwrites nothing
    made = words[3] if words[:2] == ["data", "convert"] else ""
    for path in files.iterdir():
        if path.name != made:
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIS_BENCH_DATA", str(files / "data"))
    code, out, err = vis_bench(*words)
    assert code == 0, f"{command}\n{out}\n{err}"
    assert out or err


def test_what_is_listed_is_shown_and_executed_nowhere() -> None:
    """A stale line of the list, or one that a test executes by now, goes."""
    shown = {one.text for one in (*commands(), *sentences())}
    shown |= {first_line(one.text) for one in python_blocks()}
    listed = set(not_executed())
    assert sorted(listed - shown) == []
    assert sorted(listed & EXECUTED_ELSEWHERE) == []


def test_only_our_own_commands_are_executed_here() -> None:
    """What is no `vis-bench` has to stand in the list, with a reason that says something."""
    assert [f"{one.place}: {one.text}" for one in HERE if not one.text.startswith("vis-bench ")] == []
    assert all(len(reason.split()) >= 4 for reason in not_executed().values())
    assert len(HERE) > 25


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    """Also those that are not executed, and those inside of sentences."""
    known, wrong = options_of_commands(), []
    texts = [(one.place, one.text) for one in commands()]
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        texts += [(page.name, " ".join(code.split())) for code in re.findall(r"`([^`]+)`", text)]
    for place, text in texts:
        for shown in re.findall(r"(?:^|\bbin/|-m )vis[-_]bench ([a-z].*)", text):
            if shown == "frame predictions":  # the name of a file format
                continue
            command = known_command(shown, known)
            group = shown.split()[0] in {name.split()[0] for name in known if " " in name}
            if command is None:
                wrong += [] if group or "COMMAND" in text else [f"{place}: no command in {text!r}"]
                continue
            options = set(OPTION.findall(shown)) - OF_OTHERS
            wrong += [f"{place}: {command} has no {o} ({text!r})" for o in options - known[command]]
    assert wrong == []


def test_pages_that_name_an_extra_say_that_the_name_is_on_no_index() -> None:
    for page in PAGES:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert "'vis-bench[" not in text or "on no index yet" in text or "on no package index yet" in text, (
            page
        )
