"""The tracking head of MaskTrack R-CNN: from the feature of a region to an identity embedding.

Source: MaskTrack R-CNN public code (specification 1.1).
"""

from __future__ import annotations

from torch import Tensor, nn

INITIAL_STD = 0.01


class EmbedHead(nn.Module):
    """Two fully connected layers with a ReLU between them and none behind the second.

    Embeddings are compared by dot product against the constant logit 0 of "new object": without the last
    ReLU products can be negative, so that "new" can win. Weights start at N(0, 0.01), biases at 0. The paper
    size (7 x 7 x 256 = 12544 in, 1024, 1024) has 13,895,680 parameters.

    in_features: length of the flattened region feature. hidden: width between the layers. width: length of an
    embedding, None = hidden.

    forward: region features [n, C, h, w] or [n, in_features] -> embeddings [n, width]; n may be 0.
    """

    def __init__(self, in_features: int, hidden: int, width: int | None = None) -> None:
        super().__init__()
        self.width = hidden if width is None else width
        self.first = nn.Linear(in_features, hidden)
        self.second = nn.Linear(hidden, self.width)
        for layer in (self.first, self.second):
            nn.init.normal_(layer.weight, std=INITIAL_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.second(self.first(features.flatten(1)).relu())
