"""From images to the warning: samples optimised for one encoder of a panel are flagged, honest ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import genbench
from genbench.cli import main
from genbench.results import Result
from tests.scoring.test_panel import FLOOR, IMAGES, REFERENCE, first_net

PANEL = "tests.scoring.test_panel:first_net,tests.scoring.test_panel:second_net,pixels,size=4"
TARGET = "tests.scoring.test_panel:first_net"
DAMAGED: np.ndarray = np.clip(
    IMAGES[1200:1500] * 0.8 + np.random.default_rng(1).normal(0, 25, (300, 8, 8, 3)), 0, 255
).astype(np.uint8)


def frechet(rows: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Return the Frechet distance of rows to a normal distribution, differentiable."""
    own = torch.cov(rows.T)
    # the trace of the root of a product is that of a symmetric matrix
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ own @ root).clamp_min(1e-12).sqrt().sum()
    distance: torch.Tensor = (
        (rows.mean(0) - mean).square().sum() + torch.trace(own) + torch.trace(covariance) - 2 * cross
    )
    return distance


def optimised() -> np.ndarray:
    """Return the damaged images after 200 steps of gradient descent on the distance by the first network."""

    def embed(images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = first_net(images).double()
        return features

    with torch.no_grad():
        reference = embed(torch.from_numpy(REFERENCE).permute(0, 3, 1, 2))
    pixels = torch.from_numpy(DAMAGED).permute(0, 3, 1, 2).float().requires_grad_()
    descent = torch.optim.Adam([pixels], lr=1.0)
    for _ in range(200):
        descent.zero_grad()
        torch.autograd.backward(frechet(embed(pixels), reference.mean(0), torch.cov(reference.T)))
        descent.step()
        with torch.no_grad():
            pixels.clamp_(0, 255)
    return np.asarray(pixels.detach().round().byte().permute(0, 2, 3, 1))


def scored(images: np.ndarray) -> Result:
    return genbench.score(images, reference=REFERENCE, floor=FLOOR, panel=PANEL, name="gan")


@pytest.fixture(scope="module")
def tuned() -> Result:
    return scored(optimised())


def test_images_optimised_for_one_network_are_flagged(tuned: Result) -> None:
    (warning,) = (text for text in tuned.warnings if "optimised" in text)
    assert warning.startswith(f"optimised for {TARGET}? its fdr there, ")
    assert tuned[f"fdr@{TARGET}"].value < 1


def test_the_table_of_a_file_shows_the_mark(tuned: Result, tmp_path: Path) -> None:
    tuned.append(tmp_path / "photos.jsonl")
    shown = CliRunner().invoke(main, ["table", str(tmp_path / "photos.jsonl")], catch_exceptions=False)
    assert f"gan: optimised for {TARGET}?" in shown.output


@pytest.mark.parametrize("images", [DAMAGED, IMAGES[1200:1500]], ids=["damaged", "real"])
def test_honest_images_are_not_flagged(images: np.ndarray) -> None:
    assert not any("optimised" in warning for warning in scored(images).warnings)
