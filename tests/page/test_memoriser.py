"""A planted memoriser from the sampler to the page: its copies are found, and shown beside their training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import genbench
from genbench.benchmarks import DIGITS
from genbench.page.section import GROUP_TITLES
from genbench.page.site import write
from genbench.runs.folder import RunFolder
from genbench.sources.digits import digits
from tests.runs.test_gallery import tiles

COUNT = 200
COPIES = COUNT // 10


class Memoriser:
    """A sampler of 10 % exact copies of training images, 10 % copies with noise, and images that it did not see."""

    def sample(self, count: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        fit, unseen = (next(digits(split).batches(718)).data for split in ("fit", "validation"))
        images = unseen[rng.integers(0, len(unseen), count)]
        images[: 2 * COPIES] = fit[rng.choice(len(fit), 2 * COPIES, replace=False)]
        near = images[COPIES : 2 * COPIES]
        near[:] = (near + rng.normal(0, 4, near.shape)).round().clip(0, 255)
        return images


@pytest.mark.slow
def test_the_copies_of_a_memoriser_are_found_and_shown_beside_their_training_images(tmp_path: Path) -> None:
    recipe = replace(DIGITS, metrics="memorised", features="pixels", count=COUNT)
    spec = f"{__name__}:Memoriser"
    (result,) = genbench.run(recipe, [spec], repeats=1, out=str(tmp_path), progress=False)
    score = result["memorised@pixels"]
    # nearly all 40 copies are found, and nearly all that are found are copies
    found = {pair["generated"] for pair in score.detail["pairs"]}
    assert found <= set(range(2 * COPIES))
    assert 0.9 * 2 * COPIES <= score.detail["found"] <= 1.1 * 2 * COPIES
    # the pictures: exact copies first, each above its nearest training image
    folder = RunFolder(tmp_path, "digits", spec, 0)
    group = folder.read_gallery().groups["copied"]
    sheet = tiles(folder)[list(folder.read_gallery().groups).index("copied")].astype(int)
    assert set(group.rows) <= set(range(2 * COPIES))
    assert np.abs(sheet[0] - sheet[2]).max() < 30
    # the page shows them with the table of copies
    write(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "Copies of training samples" in page
    assert f"<figure><figcaption>{GROUP_TITLES['copied']} <small>" in page
