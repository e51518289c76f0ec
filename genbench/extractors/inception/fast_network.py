"""Inception-v3 as used by FID, rewritten to run faster; the numbers agree up to rounding.

Batch norms are folded into the convolutions. The 1x1 convolutions of the same input are computed as one. An average
pool and the 1x1 convolution after it are exchanged, because both are linear and the convolution has fewer output
channels. The memory format is channels_last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from genbench.extractors.inception.convolution import Convolution, fold_batch_norm
from genbench.extractors.inception.sizes import SPATIAL_CHANNELS
from genbench.extractors.state_dicts import StateDict


class InceptionGraph(nn.Module):
    """Maps float32 [N, 3, 299, 299], -1..1, to the last average pool, float32 [N, 2048].

    The numbers of the views in ``added``, keys of ``ADDED_VIEWS``, follow in each row, in that order.

    ``64``, ``192`` and ``768`` are the means over all pixels after the first max pool, after the second one, and after
    the block Mixed_6e: torch-fidelity's features of these names, and pytorch-fid's ``--dims``.

    ``spatial`` are the 17 * 17 * 7 = 2,023 numbers of sFID. They are the tensor ``mixed_6/conv:0`` of TensorFlow's
    graph, ``[..., :7]``, in the order (row, column, channel), as guided-diffusion's evaluator reads it. In the graph of
    2015-12-05, ``mixed`` to ``mixed_10`` are the blocks Mixed_5b to Mixed_7c, so ``mixed_6`` is Mixed_6d. The nodes of
    its 1x1 branch are conv/Conv2D, conv/batchnorm, conv/CheckNumerics, conv/control_dependency and conv, the ReLU; its
    192 channels are the first ones of the block.

    Removes its tensors from ``state`` one by one, so that the weights are never in memory twice.
    """

    def __init__(self, state: StateDict, added: Sequence[str] = ()) -> None:
        super().__init__()
        self.added = tuple(added)
        # The names are those of the published weights; the sizes are those of the outputs. Each part ends where a view
        # is read.
        self.until_64 = nn.Sequential(
            _convolution(state, "Conv2d_1a_3x3", stride=2),  # 149 x 149
            _convolution(state, "Conv2d_2a_3x3"),
            _convolution(state, "Conv2d_2b_3x3", padding=1),  # 147 x 147
            nn.MaxPool2d(3, stride=2),  # 73 x 73
        )
        self.until_192 = nn.Sequential(
            _convolution(state, "Conv2d_3b_1x1"),
            _convolution(state, "Conv2d_4a_3x3"),  # 71 x 71
            nn.MaxPool2d(3, stride=2),  # 35 x 35
        )
        self.until_6d = nn.Sequential(
            *(_BlockA(_take(state, name)) for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d")),
            _BlockB(_take(state, "Mixed_6a")),  # 17 x 17
            *(_BlockC(_take(state, name)) for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d")),
        )
        self.until_768 = _BlockC(_take(state, "Mixed_6e"))
        self.until_2048 = nn.Sequential(
            _BlockD(_take(state, "Mixed_7a")),  # 8 x 8
            _BlockE(_take(state, "Mixed_7b"), _average_pool),
            _BlockE(_take(state, "Mixed_7c"), None),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 [N, 2048 and the sizes of the added views] of preprocessed images [N, 3, 299, 299]."""
        # the activations that views are read from
        first: torch.Tensor = self.until_64(images.contiguous(memory_format=torch.channels_last))
        second = self.until_192(first)
        middle = self.until_6d(second)
        third = self.until_768(middle)
        # The mean over all pixels is the last average pool, and that of the layers.
        means = {"64": first, "192": second, "768": third}
        rows = [self.until_2048(third).mean(dim=(2, 3), dtype=torch.float32)]
        for view in self.added:
            if view in means:
                rows.append(means[view].mean(dim=(2, 3), dtype=torch.float32))
            else:  # channels come last in TensorFlow
                rows.append(middle[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1).float())
        return torch.cat(rows, 1) if self.added else rows[0]


class _BlockA(nn.Module):
    """35 x 35: branches of 1x1, 5x5, two 3x3, and the pool."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        self.first = _MergedConvolutions(state, "branch1x1", "branch5x5_1", "branch3x3dbl_1")
        self.five = _convolution(state, "branch5x5_2", padding=2)
        self.three = _convolutions(state, "branch3x3dbl", (1, 1))
        self.pool = _convolution(state, "branch_pool", relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch_1x1, five, three = self.first(x)
        # The average pool comes after its 1x1 convolution, and the ReLU after both, because it is not linear.
        return torch.cat([branch_1x1, self.five(five), self.three(three), _average_pool(self.pool(x)).relu_()], 1)


class _BlockB(nn.Module):
    """From 35 x 35 to 17 x 17: branches of 3x3, 1x1 and two 3x3, and the pool, all with stride 2 at the end."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        self.three = _convolution(state, "branch3x3", stride=2)
        self.first = _convolution(state, "branch3x3dbl_1")
        self.second = _convolution(state, "branch3x3dbl_2", padding=1)
        self.third = _convolution(state, "branch3x3dbl_3", stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.three(x), self.third(self.second(self.first(x))), functional.max_pool2d(x, 3, 2)], 1)


class _BlockC(nn.Module):
    """17 x 17: branches of 1x1, 7x7, two 7x7, and the pool; each 7x7 is split into 1x7 and 7x1."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        # paddings of the kernels 1x7 and 7x1
        wide, tall = (0, 3), (3, 0)
        self.first = _MergedConvolutions(state, "branch1x1", "branch7x7_1", "branch7x7dbl_1")
        self.seven = _convolutions(state, "branch7x7", (wide, tall))
        self.twice = _convolutions(state, "branch7x7dbl", (tall, wide, tall, wide))
        self.pool = _convolution(state, "branch_pool", relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch_1x1, seven, twice = self.first(x)
        return torch.cat([branch_1x1, self.seven(seven), self.twice(twice), _average_pool(self.pool(x)).relu_()], 1)


class _BlockD(nn.Module):
    """From 17 x 17 to 8 x 8: branches of 3x3, 7x7 and 3x3, and the pool, all with stride 2 at the end."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        # the 1x1 convolutions at the start of both branches
        self.first = _MergedConvolutions(state, "branch3x3_1", "branch7x7x3_1")
        self.three = _convolution(state, "branch3x3_2", stride=2)
        self.seven = nn.Sequential(
            _convolutions(state, "branch7x7x3", ((0, 3), (3, 0))),
            _convolution(state, "branch7x7x3_4", stride=2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three, seven = self.first(x)
        return torch.cat([self.three(three), self.seven(seven), functional.max_pool2d(x, 3, 2)], 1)


class _BlockE(nn.Module):
    """8 x 8: branches of 1x1, 3x3, two 3x3, and the pool; the last 3x3 is split into 1x3 and 3x1, side by side.

    ``pool`` is the average pool after the 1x1 convolution; None means a max pool before it.
    """

    def __init__(self, state: StateDict, pool: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        self.first = _MergedConvolutions(state, "branch1x1", "branch3x3_1", "branch3x3dbl_1")
        self.three = nn.ModuleList(_split_3x3(state, "branch3x3_2"))
        self.second = _convolution(state, "branch3x3dbl_2", padding=1)
        self.twice = nn.ModuleList(_split_3x3(state, "branch3x3dbl_3"))
        self.average_pool = pool
        self.pool = _convolution(state, "branch_pool", relu=pool is None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # both branches with a split 3x3 contribute the outputs of its two kernels
        branch_1x1, three, twice = self.first(x)
        twice = self.second(twice)
        split = [branch(three) for branch in self.three] + [branch(twice) for branch in self.twice]
        # A max pool is not linear, so Mixed_7c keeps the published order.
        if self.average_pool is None:
            pooled = self.pool(functional.max_pool2d(x, 3, stride=1, padding=1))
        else:
            pooled = self.average_pool(self.pool(x)).relu_()
        return torch.cat([branch_1x1, *split, pooled], 1)


class _MergedConvolutions(nn.Module):
    """Several 1x1 convolutions of the same input, computed as one."""

    def __init__(self, state: StateDict, *names: str) -> None:
        super().__init__()
        # concatenate along the output channels, and split the outputs again in ``forward``
        weights, biases = zip(*(_fold_batch_norm(_take(state, name)) for name in names), strict=True)
        self.sizes = [len(bias) for bias in biases]
        self.merged = Convolution(torch.cat(weights), torch.cat(biases))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.merged(x).split(self.sizes, dim=1)  # type: ignore[no-any-return]


def _convolutions(state: StateDict, name: str, paddings: tuple[int | tuple[int, int], ...]) -> nn.Sequential:
    """Return the sequence of the convolutions ``name_2``, ``name_3``, ..."""
    return nn.Sequential(
        *(_convolution(state, f"{name}_{number}", padding=padding) for number, padding in enumerate(paddings, 2)),
    )


def _split_3x3(state: StateDict, name: str) -> list[Convolution]:
    # a kernel of 1 x 3 and one of 3 x 1, whose outputs are concatenated
    return [_convolution(state, f"{name}a", padding=(0, 1)), _convolution(state, f"{name}b", padding=(1, 0))]


def _convolution(
    state: StateDict, name: str, *, stride: int = 1, padding: int | tuple[int, int] = 0, relu: bool = True
) -> Convolution:
    activation = "relu" if relu else "none"
    return Convolution(*_fold_batch_norm(_take(state, name)), stride=stride, padding=padding, activation=activation)


def _take(state: StateDict, name: str) -> StateDict:
    """Remove the tensors whose keys start with ``name`` from a state dict, and return them without that prefix."""
    return {key.removeprefix(f"{name}."): state.pop(key) for key in list(state) if key.startswith(f"{name}.")}


def _fold_batch_norm(state: StateDict) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of the convolution that includes the batch norm after it."""
    return fold_batch_norm(state["conv.weight"], _take(state, "bn"))


def _average_pool(x: torch.Tensor) -> torch.Tensor:
    """Average 3 x 3 pixels as TensorFlow does: padded pixels do not count."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
