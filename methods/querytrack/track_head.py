"""The contrastive tracking head: a dynamic instance embedding per query.

Source: QueryTrack, Sec 2.2 and Eq 4; specification 2.1, step 6.
"""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.dynconv import DynamicConv

# the projected features are ReLU outputs of norm about sqrt(dim / 2); with Xavier weights, products of two
# embeddings would start at 40 to 130, where the softmax of Eq 5 is a step
INITIAL_STD = 0.01


class TrackHead(nn.Module):
    """DynamicConv with projection, then the linear projection T_t; embeddings are not normalised (Eq 5).

    11,699,840 parameters at the default sizes.

    forward: queries [n, dim] after self-attention, roi features [n, dim, r, r] of the refined box ->
    embeddings [n, width].
    """

    def __init__(self, dim: int = 256, hidden: int = 64, resolution: int = 7, width: int = 256) -> None:
        super().__init__()
        self.interaction = DynamicConv(dim, hidden, resolution, project=True)
        for parameter in self.interaction.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.project = nn.Linear(dim, width)
        nn.init.normal_(self.project.weight, std=INITIAL_STD)
        nn.init.zeros_(self.project.bias)

    def forward(self, queries: Tensor, roi: Tensor) -> Tensor:
        return self.project(self.interaction(queries, roi))
