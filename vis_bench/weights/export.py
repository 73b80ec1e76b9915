"""A run's weights as one file that tells which run it is: `vis-bench weights export`."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from vis_bench.errors import DataError
from vis_bench.files import sha256
from vis_bench.records.run import CHECKPOINT_NAME, RECORD_NAME, Record, read_record
from vis_bench.weights.files import read_weights, write_weights
from vis_bench.weights.metadata import Origin, write_origin


def export_run(run_dir: Path, target: Path, class_names: tuple[str, ...]) -> Record:
    """Write the checkpoint of a run directory with record hash, configuration and class names; the record.

    class_names: of the data set of the run, in order. The tensors are those of the record: the checkpoint is
    held against its hash. Raises DataError for a run without record or weights, or with others.
    """
    record_path, checkpoint = run_dir / RECORD_NAME, run_dir / CHECKPOINT_NAME
    record = read_record(record_path)
    if record.checkpoint_hash is None:
        raise DataError(f"{record_path}: a run with status {record.status!r} has no weights to export.")
    file = read_weights(checkpoint)
    if file.sha256 != record.checkpoint_hash:
        raise DataError(
            f"{checkpoint}: these are not the weights of the record ({file.sha256[:8]} instead of "
            f"{record.checkpoint_hash[:8]}); they were trained again since. Run it again."
        )
    origin = Origin(
        method=record.method,
        config=record.config,
        source=f"run {record.run_hash[:8]} of {record.variant()} on {record.dataset}",
        class_names=class_names,
        stride_in_1x1=_strides(record),
        record_hash=sha256(record_path.read_bytes()),
        # of the tensors alone, so that the file with these words in it can be checked
        checkpoint_hash=sha256(save(dict(file.state))),
        config_values=record.config_values,
    )
    write_weights(target, file.state, write_origin(origin))
    return record


def _strides(record: Record) -> bool | None:
    backbone = record.config_values.get("backbone")
    if not isinstance(backbone, dict) or not str(backbone.get("name", "")).startswith("resnet"):
        return None
    return bool(backbone.get("stride_in_1x1", False))
