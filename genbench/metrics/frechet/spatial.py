"""sFID: the Frechet distance of activations that keep their position in the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from genbench.metrics.frechet.metric import FrechetDistance


@dataclass(frozen=True)
class SpatialFrechetDistance(FrechetDistance):
    """Frechet distance of features that keep their position in the image (sFID), and its debiased value.

    Nash et al. 2021 (arXiv 2103.03841), in the form of guided-diffusion's evaluator: the first 7 channels of an
    intermediate layer of Inception, 17 * 17 * 7 = 2,023 numbers. The embedding of ``fid`` is a mean over the image.
    These numbers have a position, so ``sfid`` sees wrong arrangements. In a file, their moments are ``mu_s`` and
    ``sigma_s``.
    """

    # not an option: the view is what distinguishes sFID from FID
    view: str = field(default="spatial", init=False)

    score_name: ClassVar[str] = "sfid"
    score_key: ClassVar[str] = "spatial_frechet_inception_distance"
