"""Damaged input of any kind ends in one DataError, never in another exception or a crash of pycocotools."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st
from ytvis_files import HEIGHT, WIDTH, annotation, payload, rle, square, write_json

from vis_bench.data.predictions import parse_results
from vis_bench.data.validate import verify
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import DataError
from vis_bench.masks.rle import decode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.sampled_from([2**31, 2**63, 2**64, 10**400, -(2**63)])
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["..", "/x", "a/../b", "\0", "\ud800"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["size", "counts", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value, path=()):
    """Paths of all nodes of a JSON value."""
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def damaged(value, data):
    """A copy with one node replaced or removed."""
    value = copy.deepcopy(value)
    path = data.draw(st.sampled_from([p for p in places(value) if p]))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if data.draw(st.booleans()):
        parent[path[-1]] = data.draw(anything)
    else:
        del parent[path[-1]]
    return value


MIXED = payload(
    annotations=[
        annotation(1),
        annotation(
            2, segmentations=[{"size": [HEIGHT, WIDTH], "counts": [100, 40, 100]}, [[1, 1, 9, 1, 5, 8]]]
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_annotation_files(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    message = None
    try:
        dataset = read_dataset(write_json(path, damaged(MIXED, data)), None, "mine", "val")
    except DataError as error:
        message = str(error)
    if message is not None:
        assert str(path) in message
        return
    verify(dataset, check_frames=False)
    for track in dataset.tracks or ():
        assert len(track.segmentations) == dataset.video_by_id[track.video_id].length


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_results(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "sound.json"
    dataset = read_dataset(write_json(path, payload()), None, "mine", "val")
    mask = rle(square(1, 1, 4, 9))
    good = [{"video_id": 1, "category_id": 7, "score": 0.5, "segmentations": [mask, None]}] * 2
    message = None
    try:
        tracks = parse_results(damaged(good, data), dataset, "here")
    except DataError as error:
        message = str(error)
    if message is not None:
        assert message.startswith("here")
        return
    for track in tracks:
        for segmentation in track.segmentations:
            assert segmentation is None or decode(segmentation).shape == (HEIGHT, WIDTH)
