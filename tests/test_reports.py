"""The committed results of the trained baselines meet their targets: ids A36 to A40, and the floors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from statistics import median

import pytest

from genbench.results import Result, read_results

REPORTS = Path(__file__).parents[1] / "reports"


@cache
def results(benchmark: str) -> dict[str, list[Result]]:
    """Return the results of a benchmark by sampler, the newest of each training seed."""
    newest = {(each.name, each.replicate_seed): each for each in read_results(REPORTS / f"{benchmark}.jsonl")}
    by_sampler: dict[str, list[Result]] = {}
    for (name, _), result in sorted(newest.items()):
        by_sampler.setdefault(name, []).append(result)
    return by_sampler


def values(benchmark: str, sampler: str, score: str, *, seeds: int = 3) -> list[float]:
    runs = results(benchmark)[sampler]
    assert len(runs) >= seeds, f"{sampler} on {benchmark} has {len(runs)} seeds"
    return [next(entry.value for entry in run.scores if entry.name.partition("@")[0] == score) for run in runs]


def test_A36_r3gan_finds_the_ring_with_every_seed() -> None:
    assert min(values("ring8", "r3gan", "modes")) == 8
    assert min(values("ring8", "r3gan", "high_quality")) >= 0.9
    assert max(values("ring8", "r3gan", "mode_kl")) <= 0.02


def test_A37_r3gan_finds_the_grid_with_every_seed() -> None:
    assert min(values("grid25", "r3gan", "modes")) >= 24
    assert min(values("grid25", "r3gan", "high_quality")) >= 0.8
    assert max(values("grid25", "r3gan", "mode_kl")) <= 0.05


def test_A38_the_plain_gan_depends_on_the_seed() -> None:
    assert max(values("grid25", "gan", "mode_kl")) > max(values("grid25", "r3gan", "mode_kl"))
    assert max(values("ring8", "gan", "mode_kl")) > max(values("ring8", "r3gan", "mode_kl"))


def test_A39_the_vaes_bounds_rise_and_the_ae_with_the_normal_prior_is_far_off() -> None:
    for bounds in zip(*(values("digits", "vae", f) for f in ("elbo", "iwae_10", "iwae_100", "iwae_1000")), strict=True):
        assert list(bounds) == sorted(bounds)
        assert bounds[-1] - bounds[0] > 1  # nats
    assert min(values("digits", "ae,prior=normal", "fd")) >= 2 * max(values("digits", "vae", "fd"))


def test_A40_conditional_models_generate_the_requested_class() -> None:
    assert min(values("digits", "cvae", "class_consistency")) >= 0.95
    assert min(values("digits", "cgan", "class_consistency")) >= 0.85


@pytest.mark.parametrize("benchmark", ["digits", "mnist"])
@pytest.mark.parametrize("sampler", ["gan", "wgan", "wgan-gp", "cgan", "ae", "vae", "cvae"])
def test_every_trained_model_beats_noise_by_far(benchmark: str, sampler: str) -> None:
    assert median(values(benchmark, sampler, "fd")) < 0.5 * median(values(benchmark, "noise", "fd"))
    assert median(values(benchmark, sampler, "is")) > 1.5 * median(values(benchmark, "noise", "is"))
    assert median(values(benchmark, sampler, "coverage")) > 0.005 + 2 * median(values(benchmark, "noise", "coverage"))


@pytest.mark.parametrize("benchmark", ["digits", "mnist", "stacked-digits"])
def test_real_samples_are_the_floor(benchmark: str) -> None:
    best = max(values(benchmark, "real", "fd"))
    others = [name for name in results(benchmark) if name != "real"]
    assert all(min(values(benchmark, name, "fd", seeds=1)) > best for name in others)


def test_real_stacks_reach_every_mode_and_the_expected_kl() -> None:
    for result in results("stacked-digits")["real"]:
        modes, kl = result["modes@stacked-digits"], result["mode_kl@stacked-digits"]
        assert modes.value >= modes.detail["expected"] - 0.5
        assert kl.value == pytest.approx(kl.detail["expected"], rel=0.25)


def test_the_critics_estimates_are_recorded_with_the_exact_values() -> None:
    for sampler, quantity in (("gan", "value"), ("wgan", "w1")):
        for result in results("ring8")[sampler]:
            critic = result.training.critic if result.training else None
            assert critic is not None
            assert critic.quantity == quantity
            assert critic.exact >= critic.floor - 0.02
