"""Facts about the official datasets: class lists, folder names and which splits hide their truth.

Source: class names and ids as in the `categories` of the official annotation files, read from public metadata
of the Mask2Former and MMTracking projects (the spelling of the files is kept, also OVIS's "Vehical"); folder
names from the data instructions of Mask2Former, MMTracking, CrossVIS, OpenVIS, VNext, LV-VIS and GLEE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class OfficialDataset:
    """One official dataset.

    class_names: in id order, ids 1..C; empty where the annotation file says them. folders: accepted names,
    see `plain`; folder: the one to show. public_truth: the validation truth was published. one_class: scored
    without classes, as `object`, whatever the file says.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    folder: str
    public_truth: bool = False
    one_class: bool = False


def plain(name: str) -> str:
    """Lower case letters and digits only, so that `YouTube-VIS-2019` equals `youtube_vis_2019`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_YTVIS19_CLASSES = """
person giant_panda lizard parrot skateboard sedan ape dog snake monkey hand rabbit duck cat cow fish
train horse turtle bear motorbike giraffe leopard fox deer owl surfboard airplane truck zebra tiger
elephant snowboard boat shark mouse frog eagle earless_seal tennis_racket
"""
_YTVIS21_CLASSES = """
airplane bear bird boat car cat cow deer dog duck earless_seal elephant fish flying_disc fox frog
giant_panda giraffe horse leopard lizard monkey motorbike mouse parrot person rabbit shark
skateboard snake snowboard squirrel surfboard tennis_racket tiger train truck turtle whale zebra
"""
_OVIS_CLASSES = """
Person Bird Cat Dog Horse Sheep Cow Elephant Bear Zebra Giraffe Poultry Giant_panda Lizard Parrot
Monkey Rabbit Tiger Fish Turtle Bicycle Motorcycle Airplane Boat Vehical
"""


@cache
def lvvis_classes() -> tuple[tuple[str, bool], ...]:
    """(name, whether it is novel) of the classes of LV-VIS, in the order of their ids 1..1196."""
    text = files("vis_bench.data").joinpath("lvvis_classes.txt").read_text(encoding="utf-8")
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple((name.removesuffix(" *"), name.endswith(" *")) for name in names)


OFFICIAL = {
    dataset.name: dataset
    for dataset in (
        OfficialDataset(
            name="ytvis19",
            title="YouTube-VIS 2019",
            class_names=tuple(_YTVIS19_CLASSES.split()),
            # `youtubevis` without a year is CrossVIS's folder for 2019.
            folders=("ytvis2019", "ytvis19", "youtubevis2019", "youtubevis19", "youtubevis", "ytvis"),
            folder="ytvis_2019",
        ),
        OfficialDataset(
            name="ytvis21",
            title="YouTube-VIS 2021",
            class_names=tuple(_YTVIS21_CLASSES.split()),
            folders=("ytvis2021", "ytvis21", "youtubevis2021", "youtubevis21"),
            folder="ytvis_2021",
        ),
        OfficialDataset(
            name="ytvis22",
            title="YouTube-VIS 2022",
            # training set and classes of 2021; the validation set adds long videos
            class_names=tuple(_YTVIS21_CLASSES.split()),
            folders=("ytvis2022", "ytvis22", "youtubevis2022", "youtubevis22"),
            folder="ytvis_2022",
        ),
        OfficialDataset(
            name="ovis",
            title="Occluded Video Instance Segmentation (OVIS)",
            class_names=tuple(_OVIS_CLASSES.split()),
            folders=("ovis", "ovisdataset"),
            folder="ovis",
        ),
        OfficialDataset(
            name="lvvis",
            title="LV-VIS",
            class_names=tuple(name for name, _ in lvvis_classes()),
            folders=("lvvis", "lvvisdataset"),
            folder="lvvis",
            public_truth=True,
        ),
        OfficialDataset(
            name="uvo",
            title="UVO (dense videos)",
            class_names=("object",),
            folders=("uvo", "uvov10", "uvodense"),
            folder="uvo",
            public_truth=True,
            one_class=True,
        ),
        OfficialDataset(
            name="burst",
            title="BURST",
            class_names=(),
            folders=("burst", "tao"),
            folder="burst",
            public_truth=True,
        ),
    )
}

_HIDDEN_SPLITS = frozenset({"valid", "valid-short", "valid-long", "test"})


def hides_truth(name: str, split: str) -> bool:
    """True for the official splits that come without truth."""
    return name in OFFICIAL and split in _HIDDEN_SPLITS and not OFFICIAL[name].public_truth
