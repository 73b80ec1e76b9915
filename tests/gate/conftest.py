"""A data set of four videos, and the command on a baseline of it."""

import pytest
from square_videos import write_split

from vis_bench.data import catalog


@pytest.fixture
def folder(tmp_path):
    write_split(tmp_path / "squares", "val", 4)
    return tmp_path / "squares"


@pytest.fixture
def dataset(folder):
    return catalog.open_dataset(str(folder), "val")


@pytest.fixture
def gate(vis_bench, folder, tmp_path):
    def call(*extra):
        return vis_bench("gate", "--against", tmp_path / "baseline", "--dataset", folder, *extra)

    return call


@pytest.fixture
def make(vis_bench, folder, tmp_path):
    def call(*runs):
        return vis_bench("gate", "--make", tmp_path / "baseline", *runs, "--dataset", folder)

    return call
