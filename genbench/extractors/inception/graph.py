"""Inception-v3 as FID knows it, rewritten to run faster and give the same numbers to rounding.

Batch norms are folded into the convolutions, the 1x1 convolutions that read the same input are one, and average pools
come after the 1x1 convolution that follows them: fewer channels, and both are linear. Memory is channels_last.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from genbench.extractors.inception.convolution import Convolution

State = dict[str, torch.Tensor]

EPSILON = 0.001
"""What TensorFlow's batch norm adds to the variance."""


class InceptionGraph(nn.Module):
    """From float32 [N, 3, 299, 299], -1..1, to the last average pool [N, 2048].

    Takes its tensors out of ``state`` one by one, so that the weights are never in memory twice.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _one(state, "Conv2d_1a_3x3", stride=2),  # 149 x 149
            _one(state, "Conv2d_2a_3x3"),
            _one(state, "Conv2d_2b_3x3", padding=1),  # 147 x 147
            nn.MaxPool2d(3, stride=2),  # 73 x 73
            _one(state, "Conv2d_3b_1x1"),
            _one(state, "Conv2d_4a_3x3"),  # 71 x 71
            nn.MaxPool2d(3, stride=2),  # 35 x 35
            *(_BlockA(_part(state, name)) for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d")),
            _BlockB(_part(state, "Mixed_6a")),  # 17 x 17
            *(_BlockC(_part(state, name)) for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")),
            _BlockD(_part(state, "Mixed_7a")),  # 8 x 8
            _BlockE(_part(state, "Mixed_7b"), _average),
            _BlockE(_part(state, "Mixed_7c"), None),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the embedding [N, 2048] of images as the network sees them."""
        seen: torch.Tensor = self.body(images.contiguous(memory_format=torch.channels_last))
        return seen.mean(dim=(2, 3), dtype=torch.float32)


class _BlockA(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.first = _Shared(state, "branch1x1", "branch5x5_1", "branch3x3dbl_1")
        self.five = _one(state, "branch5x5_2", padding=2)
        self.three = _chain(state, "branch3x3dbl", (1, 1))
        self.pool = _one(state, "branch_pool", relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, five, three = self.first(x)
        return torch.cat([one, self.five(five), self.three(three), _average(self.pool(x)).relu_()], 1)


class _BlockB(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.three = _one(state, "branch3x3", stride=2)
        self.first = _one(state, "branch3x3dbl_1")
        self.second = _one(state, "branch3x3dbl_2", padding=1)
        self.third = _one(state, "branch3x3dbl_3", stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.three(x), self.third(self.second(self.first(x))), functional.max_pool2d(x, 3, 2)], 1)


class _BlockC(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        wide, tall = (0, 3), (3, 0)
        self.first = _Shared(state, "branch1x1", "branch7x7_1", "branch7x7dbl_1")
        self.seven = _chain(state, "branch7x7", (wide, tall))
        self.twice = _chain(state, "branch7x7dbl", (tall, wide, tall, wide))
        self.pool = _one(state, "branch_pool", relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, seven, twice = self.first(x)
        return torch.cat([one, self.seven(seven), self.twice(twice), _average(self.pool(x)).relu_()], 1)


class _BlockD(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.first = _Shared(state, "branch3x3_1", "branch7x7x3_1")
        self.three = _one(state, "branch3x3_2", stride=2)
        self.seven = nn.Sequential(
            _chain(state, "branch7x7x3", ((0, 3), (3, 0))),
            _one(state, "branch7x7x3_4", stride=2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three, seven = self.first(x)
        return torch.cat([self.three(three), self.seven(seven), functional.max_pool2d(x, 3, 2)], 1)


class _BlockE(nn.Module):
    """``pool`` comes after its 1x1 convolution where that is the same; else, as in Mixed_7c, a max pool before it."""

    def __init__(self, state: State, pool: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        self.first = _Shared(state, "branch1x1", "branch3x3_1", "branch3x3dbl_1")
        self.three = nn.ModuleList(_cross(state, "branch3x3_2"))
        self.second = _one(state, "branch3x3dbl_2", padding=1)
        self.twice = nn.ModuleList(_cross(state, "branch3x3dbl_3"))
        self.after = pool
        self.pool = _one(state, "branch_pool", relu=pool is None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, three, twice = self.first(x)
        twice = self.second(twice)
        crossed = [branch(three) for branch in self.three] + [branch(twice) for branch in self.twice]
        if self.after is None:
            pooled = self.pool(functional.max_pool2d(x, 3, stride=1, padding=1))
        else:
            pooled = self.after(self.pool(x)).relu_()
        return torch.cat([one, *crossed, pooled], 1)


class _Shared(nn.Module):
    """Several 1x1 convolutions of one input, computed as one."""

    def __init__(self, state: State, *names: str) -> None:
        super().__init__()
        weights, biases = zip(*(_folded(_part(state, name)) for name in names), strict=True)
        self.sizes = [len(bias) for bias in biases]
        self.all = Convolution(torch.cat(weights), torch.cat(biases))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.all(x).split(self.sizes, dim=1)  # type: ignore[no-any-return]


def _chain(state: State, name: str, paddings: tuple[int | tuple[int, int], ...]) -> nn.Sequential:
    """Return the convolutions ``name_2``, ``name_3``, ... one after the other."""
    return nn.Sequential(
        *(_one(state, f"{name}_{at}", padding=padding) for at, padding in enumerate(paddings, 2)),
    )


def _cross(state: State, name: str) -> list[Convolution]:
    return [_one(state, f"{name}a", padding=(0, 1)), _one(state, f"{name}b", padding=(1, 0))]


def _one(
    state: State, name: str, *, stride: int = 1, padding: int | tuple[int, int] = 0, relu: bool = True
) -> Convolution:
    return Convolution(*_folded(_part(state, name)), stride=stride, padding=padding, relu=relu)


def _part(state: State, name: str) -> State:
    """Take the tensors below a name out of a state dict."""
    return {key.removeprefix(f"{name}."): state.pop(key) for key in list(state) if key.startswith(f"{name}.")}


def _folded(state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of a convolution and the batch norm after it as one, made in float64."""
    scale = state["bn.weight"].double() / (state["bn.running_var"].double() + EPSILON).sqrt()
    weight = state["conv.weight"].double() * scale[:, None, None, None]
    bias = state["bn.bias"].double() - state["bn.running_mean"].double() * scale
    return weight.float(), bias.float()


def _average(x: torch.Tensor) -> torch.Tensor:
    """Pool as TensorFlow does: what is padded does not count."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
