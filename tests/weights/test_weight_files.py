"""Reading files of weights: what is read, and that nothing in them runs."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from vis_bench.errors import DataError
from vis_bench.weights.files import read_weights, write_weights
from vis_bench.weights.metadata import Origin, read_origin, write_origin

VALUES = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("wrap", ["model", "state_dict", "blobs", None])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_of_arrays_are_read(tmp_path: Path, wrap: str | None, protocol: int) -> None:
    arrays = OrderedDict(a=VALUES.numpy(), count=np.array(3), a_momentum=VALUES.numpy())
    content = {wrap: arrays, "__author__": "someone"} if wrap else arrays
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    file = read_weights(path)
    assert set(file.state) == {"a", "count"}
    assert torch.equal(file.state["a"], VALUES)


@pytest.mark.parametrize("wrap", ["model", "state_dict", None])
def test_torch_files_are_read(tmp_path: Path, wrap: str | None) -> None:
    path = tmp_path / "model.pth"
    state = {"a": VALUES}
    torch.save({wrap: state, "epoch": 12} if wrap else state, path)
    assert torch.equal(read_weights(path).state["a"], VALUES)


def test_safetensors_are_read_with_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    origin = Origin("stc", "paper", "a file", "kind", ("a", "b"), True, "12", "34", {"levels": ["p3"]})
    write_weights(path, {"module.a": VALUES}, write_origin(origin))
    file = read_weights(path)
    assert read_origin(file.metadata, path) == origin
    assert list(file.state) == ["a"]
    assert file.had_prefix
    write_weights(path, {"a": VALUES})
    assert read_origin(read_weights(path).metadata, path) is None


class _Harmful:
    def __reduce__(self) -> tuple:
        return print, ("code from a checkpoint ran",)


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_pickles_that_run_code_are_refused(tmp_path: Path, capsys, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps({"model": _Harmful()}))
    else:
        torch.save({"model": _Harmful()}, path)
    with pytest.raises(DataError, match=r"tensors only|plain NumPy arrays") as caught:
        read_weights(path)
    assert caught.value.exit_code == 3
    assert "ran" not in capsys.readouterr().out


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"a": np.array([{"b": 1}], dtype=object)}))
    with pytest.raises(DataError, match="'a' is no array of numbers"):
        read_weights(path)


def test_files_that_are_missing_or_broken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_weights(tmp_path / "absent.pkl")
    for name in ("broken.pkl", "broken.pth", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint")
        with pytest.raises(DataError, match=name):
            read_weights(tmp_path / name)
    whole = pickle.dumps({"a": VALUES.numpy()})
    (tmp_path / "cut.pkl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="plain NumPy arrays"):
        read_weights(tmp_path / "cut.pkl")
    for number, content in enumerate(([1, 2], {}, {"model": {"a": [VALUES.numpy()]}})):
        path = tmp_path / f"odd{number}.pkl"
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(DataError, match="no state dict"):
            read_weights(path)


def test_damaged_metadata_are_an_error(tmp_path: Path) -> None:
    metadata = write_origin(Origin("stc", "paper", "a file")) | {"class_names": "["}
    with pytest.raises(DataError, match="metadata are damaged"):
        read_origin(metadata, "here")
