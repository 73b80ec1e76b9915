"""The box head and the mask head of Mask R-CNN; class 0 is background, class c of the data set is c + 1.

Source: He et al., Mask R-CNN, Sec 3 and Figure 4 (right); specification 1.1.
"""

from __future__ import annotations

from torch import Tensor, nn


class BoxHead(nn.Module):
    """Two fully connected layers, then class logits and class-specific box deltas.

    forward: region features [n, C, h, w] -> (logits [n, 1 + num_classes], deltas [n, 1 + num_classes, 4]).
    """

    def __init__(self, in_features: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, width)
        self.second = nn.Linear(width, width)
        self.classes = nn.Linear(width, 1 + num_classes)
        self.deltas = nn.Linear(width, 4 * (1 + num_classes))
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.first, self.second, self.classes, self.deltas):
            nn.init.zeros_(layer.bias)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        x = self.second(self.first(regions.flatten(1)).relu()).relu()
        logits = self.classes(x)
        return logits, self.deltas(x).view(len(x), logits.shape[1], 4)


class MaskHead(nn.Module):
    """Convolutions, a deconvolution that doubles the resolution, one mask per class.

    forward: region features [n, C, r, r] -> mask logits [n, 1 + num_classes, 2 r, 2 r].
    """

    def __init__(self, in_channels: int, channels: int, convs: int, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(convs):
            layers += [nn.Conv2d(channels if i else in_channels, channels, 3, padding=1), nn.ReLU()]
        self.tower = nn.Sequential(*layers)
        self.upsample = nn.ConvTranspose2d(channels if convs else in_channels, channels, 2, stride=2)
        self.classes = nn.Conv2d(channels, 1 + num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, regions: Tensor) -> Tensor:
        return self.classes(self.upsample(self.tower(regions)).relu())
