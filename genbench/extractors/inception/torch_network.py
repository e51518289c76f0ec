"""Resize, trunk and last layer of Inception-v3 in torch; imported only when the network is built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from genbench.extractors.inception.resizing import Resize
from genbench.extractors.inception.sizes import ADDED_VIEWS, EMBEDDING_SIZE
from genbench.extractors.inception.torch_backends import PreparedNetwork


class ResizeAndEmbed(nn.Module):
    """Maps uint8 [N, 3, H, W] to embedding [N, 2048], logits [N, 1008], and the views that the trunk adds."""

    def __init__(
        self, resize: Resize, trunk: PreparedNetwork, class_weights: torch.Tensor, added: Sequence[str]
    ) -> None:
        super().__init__()
        self.resize, self.trunk, self.route, self.added = resize, trunk, trunk.route, tuple(added)
        # A buffer moves to the device with the module.
        self.register_buffer("class_weights", class_weights)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding, logits and the added views."""
        rows = torch.cat(self.trunk.map_chunks(self._embed, images))
        # the logits come from a contiguous embedding, whether other numbers follow it in the rows or not
        sizes = [EMBEDDING_SIZE, *(ADDED_VIEWS[view] for view in self.added)]
        embedding, *others = torch.split(rows, sizes, dim=1)
        embedding = embedding.contiguous()
        added = {view: part.contiguous() for view, part in zip(self.added, others, strict=True)}
        return {"embedding": embedding, "logits": embedding.mm(self.get_buffer("class_weights")), **added}

    # Inference mode belongs to a thread, so the threads of the backend do not inherit it from the caller.
    @torch.inference_mode()
    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.run(self.resize(images))
