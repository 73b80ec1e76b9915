# ruff: noqa: E402 - stand-ins for compiled parts have to be there before detectron2 is imported
"""Models with random weights as detectron2 itself runs them, for `test_detectron2_models.py`.

Called as a program: FOLDER (configurations in it; weights and results are written there) DATASET (by path,
split `val`). Nothing of our adapter runs the models here; our evaluator and catalogue stand in detectron2's
own loop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image

for name in ("detectron2._C", "MultiScaleDeformableAttention"):
    sys.modules[name] = ModuleType(name)
import detectron2

detectron2._C = sys.modules["detectron2._C"]
Image.LINEAR = Image.BILINEAR
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.evaluation import DatasetEvaluator, inference_on_dataset
from detectron2.modeling import build_model
from detectron2.projects.deeplab import add_deeplab_config
from mask2former import add_maskformer2_config
from mask2former_video import YTVISDatasetMapper, add_maskformer2_video_config

from vis_bench.integrations.detectron2 import VisEvaluator, register


class Recorder(DatasetEvaluator):
    """Keeps what the model put out."""

    def __init__(self):
        self.found = {}

    def process(self, inputs, outputs):
        (given,) = inputs
        number = given["video_id"]
        self.found[f"{number}_scores"] = np.array(outputs["pred_scores"])
        self.found[f"{number}_labels"] = np.array(outputs["pred_labels"])
        self.found[f"{number}_masks"] = np.packbits(
            np.stack([m.numpy() for m in outputs["pred_masks"]]), axis=-1
        )


def configuration(path, *functions):
    cfg = get_cfg()
    for function in functions:
        function(cfg)
    cfg.merge_from_file(str(path))
    cfg.MODEL.DEVICE = "cpu"
    if not cfg.DATASETS.TRAIN:
        cfg.DATASETS.TRAIN = ("none",)
    return cfg


def videos(folder: Path, name: str) -> None:
    """Mask2Former-VIS over all videos, with our evaluator in detectron2's loop."""
    cfg = configuration(
        folder / "mask2former_vis.yaml",
        add_deeplab_config,
        add_maskformer2_config,
        add_maskformer2_video_config,
    )
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    torch.save({"model": model.state_dict(), "iteration": 7}, folder / "mask2former_vis.pth")
    mapper = YTVISDatasetMapper(cfg, is_train=False)
    loader = [[mapper(record)] for record in DatasetCatalog.get(name)]
    recorder, scored = Recorder(), VisEvaluator(name, output_dir=folder / "evaluated")
    numbers = inference_on_dataset(model, loader, [scored, recorder])
    np.savez(folder / "videos.npz", **recorder.found)
    metadata = MetadataCatalog.get(name)
    facts = {
        "numbers": numbers["segm"],
        "classes": metadata.thing_classes,
        "ids": {str(key): value for key, value in metadata.thing_dataset_id_to_contiguous_id.items()},
        "type": metadata.evaluator_type,
        "objects": [len(frame) for record in DatasetCatalog.get(name) for frame in record["annotations"]],
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def frame(folder: Path, name: str) -> None:
    """Mask R-CNN on the first frame of the first video."""
    cfg = configuration(folder / "mask_rcnn.yaml")
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    for key, buffer in model.named_buffers():
        # else fifty layers without statistics leave the range in which a box is inside the picture
        if key.endswith("norm.weight"):
            buffer.fill_(0.5)
    # a file of weights alone, as another program writes it
    torch.save(model.state_dict(), folder / "mask_rcnn.pth")
    record = DatasetCatalog.get(name)[0]
    picture = utils.read_image(record["file_names"][0], format=cfg.INPUT.FORMAT)
    resized = T.ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)
    resized = resized.get_transform(picture).apply_image(picture)
    given = {
        "image": torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1))),
        "height": record["height"],
        "width": record["width"],
    }
    with torch.no_grad():
        found = model([given])[0]["instances"]
    np.savez(
        folder / "frame.npz",
        scores=found.scores.numpy(),
        labels=found.pred_classes.numpy(),
        boxes=found.pred_boxes.tensor.numpy(),
        masks=found.pred_masks.numpy(),
    )


def main(folder: Path, dataset: str) -> None:
    (name,) = register(dataset, splits=["val"])
    assert register(dataset) == (name,)
    assert [other for other in DatasetCatalog.list() if other.startswith("vis_bench_")] == [name]
    videos(folder, name)
    frame(folder, name)
    print(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
