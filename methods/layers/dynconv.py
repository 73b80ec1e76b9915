"""Dynamic convolution: each query filters the features of its own box.

Source: Sun et al., Sparse R-CNN, Fig 4; Fang et al., Instances as Queries, Sec 3.2; specification 2.1.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DynamicConv(nn.Module):
    """Two 1x1 convolutions per box whose weights a query generates.

    queries [n, dim] and roi features [n, dim, r, r] -> [n, dim] with `project` (flatten and Linear, as in the
    box branch) or [n, r * r, dim] without (as in the mask branch). hidden: width between both convolutions.
    Parameters at dim 256, hidden 64: 11,634,048 with projection at r = 7; 8,422,016 without.
    """

    def __init__(self, dim: int = 256, hidden: int = 64, resolution: int = 7, project: bool = True) -> None:
        super().__init__()
        self.dim = dim
        self.hidden = hidden
        self.generate = nn.Linear(dim, 2 * dim * hidden)
        self.norm_hidden = nn.LayerNorm(hidden)
        self.norm_out = nn.LayerNorm(dim)
        self.project: nn.Linear | None = None
        if project:
            self.project = nn.Linear(resolution * resolution * dim, dim)
            self.norm_project = nn.LayerNorm(dim)

    def forward(self, queries: Tensor, roi: Tensor) -> Tensor:
        into, out_of = self.generate(queries).split(self.dim * self.hidden, dim=1)
        x = roi.flatten(2).transpose(1, 2)
        x = torch.relu(self.norm_hidden(torch.bmm(x, into.view(-1, self.dim, self.hidden))))
        x = torch.relu(self.norm_out(torch.bmm(x, out_of.view(-1, self.hidden, self.dim))))
        if self.project is None:
            return x
        return torch.relu(self.norm_project(self.project(x.flatten(1))))


# QueryInst's parameter names -> ours
QUERYINST_DYNAMIC_CONV = {
    "dynamic_layer": "generate",
    "norm_in": "norm_hidden",
    "norm_out": "norm_out",
    "fc_layer": "project",
    "fc_norm": "norm_project",
}
