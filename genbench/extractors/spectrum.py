"""The radial power spectrum of images, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from genbench.errors import PlugError
from genbench.extractors.raw import check_images

if TYPE_CHECKING:
    import torch

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness (ITU-R BT.601)."""

LEAST_POWER = 1e-10
"""Added to the power, so that an image of one colour has a logarithm; rounding to 8 bits has a power of 1e-6."""


class Spectrum:
    """Logarithm of the radial power spectrum of the brightness, 0..1 (Durall et al. 2020, arXiv 2003.01826).

    Views of uint8 [N, 3, H, W]: ``embedding`` and ``spectrum`` float32 [N, R], both the natural logarithm of the power
    ``|FFT|^2 / (H W)``, averaged over the frequencies whose radius rounds to r cycles per shorter side, for r from 1 to
    R = min(H, W) // 2. White noise of variance v has the power v at each r. All images need one size, because
    resizing changes the spectrum. Raises PlugError for anything but images of at least 4 x 4 pixels.
    """

    device = "cpu"
    name = "spectrum"
    identity = "spectrum,version=1"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W]."""
        import torch

        check_images(data, self.name)
        height, width = data.shape[2:]
        if min(height, width) < 4:
            raise PlugError(f"'spectrum' needs images of at least 4 x 4 pixels, but they have {height} x {width}.")
        # brightness [N, H, W] without its mean, in float64
        luma = torch.tensor(LUMA, dtype=torch.float64)
        gray = torch.einsum("nchw,c->nhw", data.to(torch.float64) / 255, luma)
        gray = gray - gray.mean(dim=(1, 2), keepdim=True)
        power = torch.fft.fft2(gray).abs() ** 2 / (height * width)

        # average the frequencies of one radius
        radius, count = _radii(height, width)
        sums = torch.zeros(len(data), int(radius.max()) + 1, dtype=torch.float64)
        sums.index_add_(1, radius.flatten(), power.flatten(1))
        members = torch.bincount(radius.flatten(), minlength=sums.shape[1])
        logarithm = torch.log(sums[:, 1 : count + 1] / members[1 : count + 1] + LEAST_POWER).float()
        return {"embedding": logarithm, "spectrum": logarithm}


def _radii(height: int, width: int) -> tuple[torch.Tensor, int]:
    """Return the rounded radius of each frequency, int64 [H, W], in cycles per shorter side, and the largest used."""
    import torch

    shorter = min(height, width)
    rows, columns = (torch.fft.fftfreq(size, dtype=torch.float64) * shorter for size in (height, width))
    return torch.round(torch.hypot(rows[:, None], columns)).long(), shorter // 2
