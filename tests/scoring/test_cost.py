"""--dry-run tells samples, time, disk and memory, and does none of the work."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import genbench
from genbench.cli import main
from genbench.extraction.feature_store import Store
from genbench.files.folder_paths import cache_root
from genbench.scoring.cost import Cost
from genbench.scoring.options import Options
from genbench.scoring.plan import Plan


class Slow:
    """Takes 2 ms a sample."""

    name, identity = "slow", "slow"

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        time.sleep(0.002 * len(images))
        return {"embedding": images.float().flatten(1)[:, :16]}


def estimate(subject: object, **options: object) -> Cost:
    return Plan.make(subject, None, Options.of(options)).cost()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", random.integers(0, 256, (600, 8, 8, 3), dtype=np.uint8))
    return tmp_path / "images.npy"


def test_time_and_disk_are_those_of_what_is_not_kept(images: Path) -> None:
    (before,) = estimate(images, features=Slow(), metrics="vendi").extractions
    assert before.samples == 600
    assert before.cached == 0
    assert before.seconds >= 600 * 0.002
    assert before.disk_bytes == before.memory_bytes == 600 * 16 * 4


def test_nothing_is_kept_by_a_dry_run_and_what_a_score_kept_is_counted(images: Path) -> None:
    how = {"reference": "digits,split=test", "features": "digits", "metrics": "fd"}
    first = estimate(images, **how)
    root = cache_root()
    assert root is not None
    assert not list(Store(root).extractors())
    genbench.score(images, **how)
    second = estimate(images, **how)
    assert [one.cached for one in first.extractions] == [0, 0]
    assert [one.cached for one in second.extractions] == [one.samples for one in second.extractions]
    assert sum(one.seconds for one in second.extractions) == 0


def test_pairs_are_counted_where_a_metric_reads_them(images: Path) -> None:
    with_pairs, without = (
        estimate(images, reference="digits,split=test", features="digits", metrics=metrics).pair_seconds
        for metrics in ("fd,pr", "fd")
    )
    assert with_pairs > 0
    assert without == 0


def test_the_command_line_prints_it_and_no_scores(images: Path) -> None:
    arguments = ["score", "--samples", str(images), "--features", "pixels", "--metrics", "vendi", "--dry-run"]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    assert "generated: 600 samples by pixels, 0 of them cached" in answer.stdout
    assert "vendi" not in answer.stdout
