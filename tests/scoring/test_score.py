"""score(subject, benchmark) -> Result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import genbench
from genbench.errors import InputError, PlugError, UsageError

IMAGES = np.uint8(np.repeat(load_digits().images[..., None] * 255 / 16, 3, axis=3))


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def folder(path: Path, images: np.ndarray) -> Path:
    path.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number}.png")
    return path


def fd(subject: object, reference: object, **options: object) -> float:
    found = genbench.score(subject, reference=reference, features="pixels", metrics="fd", **options)
    return found["fd@pixels"].value


def test_real_digits_score_far_better_than_noise() -> None:
    real = genbench.score("digits,split=train", "digits")
    bad = genbench.score(noise, "digits")
    assert real["fd@digits"].value < 0.1 * bad["fd@digits"].value
    assert real["is@digits"].value > 9
    assert real["modes@digits"].value == 10
    assert real.benchmark == "digits@1"


def test_a_folder_an_archive_an_array_and_a_tensor_of_the_same_images_score_the_same(tmp_path: Path) -> None:
    images, reference = IMAGES[:300], IMAGES[300:700]
    np.savez(tmp_path / "a.npz", arr_0=images)
    np.save(tmp_path / "a.npy", images)
    expected = fd(images, reference)
    subjects = [
        folder(tmp_path / "folder", images),
        tmp_path / "a.npz",
        str(tmp_path / "a.npy"),
        torch.from_numpy(images).permute(0, 3, 1, 2),
        [(images[at : at + 7], None) for at in range(0, 300, 7)].__iter__(),
        torch.utils.data.TensorDataset(torch.from_numpy(images).permute(0, 3, 1, 2)),
    ]
    for subject in subjects:
        assert fd(subject, reference) == pytest.approx(expected, rel=1e-9)


def test_statistics_serve_as_reference_for_fd_as_well_as_the_samples(tmp_path: Path) -> None:
    from genbench.features.statistics_files import write_statistics

    features = genbench.features_of(IMAGES[300:700], features="pixels")
    write_statistics(features.moments(), tmp_path / "real.npz")
    features.save(tmp_path / "real.safetensors")
    expected = fd(IMAGES[:300], IMAGES[300:700])
    assert fd(IMAGES[:300], tmp_path / "real.npz") == pytest.approx(expected, rel=1e-9)
    assert fd(IMAGES[:300], tmp_path / "real.safetensors") == pytest.approx(expected, rel=1e-9)


def test_statistics_of_another_extractor_are_refused(tmp_path: Path) -> None:
    from genbench.features.statistics_files import write_statistics

    write_statistics(genbench.features_of(IMAGES[:50], features="pixels").moments(), tmp_path / "real.npz")
    with pytest.raises(InputError, match=r"real.npz was made by pixels .* by pixels,size=8"):
        genbench.score(IMAGES[50:100], reference=tmp_path / "real.npz", features="pixels,size=8", metrics="fd")


def test_statistics_of_other_dimensions_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "foreign.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    with pytest.raises(InputError, match=r"foreign.npz has 2048 dimensions and the features of .* have 192"):
        genbench.score(IMAGES[:250], reference=tmp_path / "foreign.npz", features="pixels,size=8", metrics="fd")


def test_a_metric_that_needs_samples_says_so_of_statistics(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", mu=np.zeros(192), sigma=np.eye(192))
    with pytest.raises(UsageError, match=r"'kid' needs the reference's samples"):
        genbench.score(IMAGES[:50], reference=tmp_path / "real.npz", features="pixels,size=8", metrics="kid")


def test_without_a_reference_the_inception_score_is_told_and_a_hint_given() -> None:
    result = genbench.score(IMAGES[:200], features="digits")
    assert {entry.name for entry in result.scores} >= {"is@digits"}
    assert not any(entry.name.startswith("fd") for entry in result.scores)
    assert "--reference" in result.hints[0]


def test_without_reference_and_logits_nothing_can_be_told() -> None:
    with pytest.raises(UsageError, match="allow no metric without a reference"):
        genbench.score(IMAGES[:50], features="pixels")


def test_a_metric_that_needs_a_reference_asks_for_it() -> None:
    with pytest.raises(UsageError, match=r"'fd' compares with a reference: add --reference"):
        genbench.score(IMAGES[:50], features="pixels", metrics="fd")


def test_a_benchmark_fixes_its_recipe() -> None:
    with pytest.raises(UsageError, match="fixes its count"):
        genbench.score(noise, "digits", count=10)


def test_one_metric_in_another_space_stands_beside_the_rest() -> None:
    result = genbench.score(IMAGES[:200], reference=IMAGES[200:600], features="digits", metrics="fd,fd@pixels")
    assert {"fd@digits", "fd@pixels"} <= {entry.name for entry in result.scores}


def test_points_are_scored_on_the_ring() -> None:
    from genbench.theory.mixtures import RING

    result = genbench.score(RING, "ring8")
    assert result["modes@points,toy=ring"].value == 8
    assert result["high_quality@points,toy=ring"].value == pytest.approx(0.98889, abs=0.01)


def test_a_torch_module_is_a_sampler() -> None:
    from genbench.theory.mixtures import RING

    class Still(torch.nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return z * 0 + torch.tensor(RING.means[3], dtype=torch.float32)

    module = registry_module(Still())
    result = genbench.score(module, "ring8")
    assert result["modes@points,toy=ring"].value == 1


def registry_module(module: torch.nn.Module) -> object:
    from genbench.samplers.module import ModuleSampler

    return ModuleSampler(module, latent=2)


def test_a_subset_is_drawn_when_fewer_are_asked_for() -> None:
    result = genbench.score(IMAGES, features="digits", metrics="is", count=100)
    assert result.generated.count == 100
    assert "100 of 1,797" in result.generated.name


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no option 'metric', did you mean 'metrics'\?"):
        genbench.score(IMAGES, metric="is")


def test_what_is_neither_samples_nor_sampler_is_refused() -> None:
    with pytest.raises(genbench.PlugError, match="neither samples nor a sampler"):
        genbench.score(3.5, "digits")


def test_a_result_knows_what_decided_it() -> None:
    result = genbench.score("digits,split=train", "digits")
    assert result.generated.fingerprint != result.reference.fingerprint  # type: ignore[union-attr]
    assert any("InceptionScore(splits=10" in metric for metric in result.metrics)
    assert len(result.extractors["digits"]) > len("digits")
    assert torch.__version__.startswith(result.versions["torch"])


def test_left_out_samples_are_said(tmp_path: Path) -> None:
    path = folder(tmp_path / "folder", IMAGES[:300])
    (path / "7.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"7\.png"):
        genbench.score(path, features="digits", metrics="is")
    result = genbench.score(path, features="digits", metrics="is", skip_corrupt=True)
    assert (result.generated.count, result.generated.skipped) == (299, 1)
    assert "1 samples of" in result.warnings[0] or "1 sample of" in result.warnings[0]


def test_default_metrics_that_few_samples_rule_out_are_left_out_with_a_hint() -> None:
    result = genbench.score(IMAGES[:5], reference=IMAGES[100:160], features="digits")
    names = {entry.name for entry in result.scores}
    assert {"fd@digits", "kd@digits", "precision@digits", "modes@digits"} <= names
    assert not {"is@digits", "density@digits"} & names
    assert result.hints == (
        "Left out: 'is' needs at least 10 generated samples, but array holds 5.",
        "Left out: 'prdc' needs at least 6 generated samples, but array holds 5.",
    )


def test_a_metric_asked_for_by_name_needs_its_samples_before_anything_is_extracted() -> None:
    class Unread:
        name = "unread"

        def __len__(self) -> int:
            return 3

        def batches(self, size: int, start: int = 0, stop: int | None = None) -> None:
            raise AssertionError("a sample was read")

    with pytest.raises(InputError, match="'prdc' needs at least 6 reference samples, but unread holds 3; give more"):
        genbench.score(IMAGES[:50], reference=Unread(), features="digits", metrics="fd,prdc")


def test_a_default_metric_that_refuses_the_samples_is_left_out_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    from genbench.metrics.kernel import KernelDistance

    # only then it is known that the samples do not serve
    def refuse(self: object, pair_sums: object) -> None:
        raise InputError("these samples do not serve.")

    monkeypatch.setattr(KernelDistance, "scores", refuse)
    result = genbench.score(IMAGES[:50], reference=IMAGES[100:160], features="pixels")
    assert {"fd@pixels", "precision@pixels", "density@pixels"} <= {entry.name for entry in result.scores}
    assert "Left out: kid: these samples do not serve." in result.hints
    with pytest.raises(InputError, match="do not serve"):
        genbench.score(IMAGES[:50], reference=IMAGES[100:160], features="pixels", metrics="kid,pr")


def test_too_few_samples_for_every_metric_are_one_sentence() -> None:
    with pytest.raises(InputError, match=r"No score can be computed: 'is' needs at least 10 generated .* more samples"):
        genbench.score(IMAGES[:5], features="digits")


def test_the_limit_of_pixels_reaches_both_sources() -> None:
    class Limited:
        name, max_pixels = "limited", 100

        def __init__(self) -> None:
            self.samples = torch.from_numpy(IMAGES[:20]).permute(0, 3, 1, 2)

        def __len__(self) -> int:
            return 20

        def batches(self, size: int, start: int = 0, stop: int | None = None) -> object:
            yield genbench.Batch(torch.arange(start, stop or 20), self.samples[start:stop])

    sides = Limited(), Limited()
    genbench.score(sides[0], reference=sides[1], features="pixels,size=4", metrics="fd", max_pixels=10**9)
    assert [side.max_pixels for side in sides] == [10**9, 10**9]


def test_statistics_of_another_dimension_than_the_points_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "x.npz", mu=np.zeros(3), sigma=np.eye(3))
    monkeypatch.setattr("genbench.features.statistics_files.npz_array", lambda archive, key: pytest.fail("loaded"))
    points = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    with pytest.raises(InputError, match=r"x\.npz holds statistics of 3 dimensions, .* samples have 4"):
        genbench.score(points, reference=tmp_path / "x.npz", metrics="fd")


def test_a_metric_that_finds_nothing_to_score_is_told(tmp_path: Path) -> None:
    images = np.uint8(load_digits().images[:80] * 15)
    generated = folder(tmp_path / "out", images[:40])
    result = genbench.score(generated, reference=images[40:], features="digits", metrics="fd,classes")
    told = f"nothing to score in the samples of {generated}, which have no classes"
    assert any(told in hint for hint in result.hints)
    with pytest.raises(InputError, match="No score can be computed: classes has nothing to score"):
        genbench.score(generated, reference=images[40:], features="digits", metrics="classes")


def test_a_metric_without_a_repr_is_called_by_its_class_in_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        needs, reference = ("embedding",), "none"

        def __call__(self, generated: object, reference: object, *, seed: int) -> None:
            return None

    monkeypatch.setattr("genbench.scoring.plan.load", lambda room, spec: Silent())
    with pytest.raises(PlugError, match=r"^The metric \S*Silent returned a NoneType; expected a list"):
        genbench.score(IMAGES[:50], features="pixels,size=4", metrics="swd")


def test_a_path_in_the_place_of_a_benchmark_is_told_apart_from_a_mistyped_name(tmp_path: Path) -> None:
    real = str(folder(tmp_path / "real", IMAGES[:20]))
    with pytest.raises(UsageError, match="is a path and no benchmark; write reference="):
        genbench.score(IMAGES[20:40], real)
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        genbench.score(IMAGES[20:40], "digit")
