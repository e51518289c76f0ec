"""Samplers of other libraries are drawn from as their libraries define them, without a wrapper."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from torch import nn

from genbench import score
from genbench.derived_sources import CHUNK, Drawn
from genbench.errors import DivergedError, PlugError, UsageError
from genbench.plugs.opening import open_sampler, open_subject
from tests.cli.commands import refused

X = np.random.default_rng(0).normal([3, -1], [1, 2], (400, 2))


def drawn(guest: Any, count: int = 2 * CHUNK, seed: int = 0) -> np.ndarray:
    """Return the samples of a guest; the global generators must be as before."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    source = Drawn(open_subject(guest), count, seed, "guest")  # type: ignore[arg-type]
    samples = np.concatenate([batch.data for batch in source.batches(count)])  # type: ignore[misc]
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    return samples


class ZukoFlow(nn.Module):
    """A module whose call returns a distribution and needs no input, as zuko's flows."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([3.0, -1.0]))

    def forward(self, c: torch.Tensor | None = None) -> torch.distributions.Distribution:
        return torch.distributions.Normal(self.mean, torch.tensor([1.0, 2.0]))


class NflowsFlow(nn.Module):
    """A module with ``sample(num_samples, context, batch_size)``, as nflows'; it returns a tensor with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([3.0, -1.0]))

    def sample(self, num_samples: int, context: Any = None, batch_size: int | None = None) -> torch.Tensor:
        assert not self.training
        return self.mean + torch.randn(num_samples, 2) * torch.tensor([1.0, 2.0])


class NormflowsFlow(NflowsFlow):
    """``sample`` returns the samples and their log-density, as in normflows."""

    def sample(self, num_samples: int = 1) -> Any:  # type: ignore[override]
        samples = super().sample(num_samples)
        return samples, samples.sum(dim=1)


def normal() -> torch.distributions.Distribution:
    return torch.distributions.MultivariateNormal(torch.tensor([3.0, -1.0]), torch.diag(torch.tensor([1.0, 4.0])))


POINTS = {
    "GaussianMixture": GaussianMixture(1).fit(X),
    "GaussianMixture with a random_state": GaussianMixture(1, random_state=0).fit(X),
    "BayesianGaussianMixture": BayesianGaussianMixture(n_components=1).fit(X),
    "KernelDensity": KernelDensity(bandwidth=0.1).fit(X),
    "torch.distributions": normal(),
    "a function that makes a distribution": normal,
    "scipy.stats": stats.multivariate_normal([3, -1], [[1, 0], [0, 4]]).rvs,
    "scipy.stats with a seed": stats.multivariate_normal([3, -1], [[1, 0], [0, 4]], seed=5).rvs,
    "zuko": ZukoFlow(),
    "nflows": NflowsFlow(),
    "normflows": NormflowsFlow(),
}


@pytest.mark.parametrize("guest", POINTS.values(), ids=POINTS)
def test_points_of_other_libraries_are_drawn_and_depend_on_the_seed_only(guest: Any) -> None:
    points = drawn(guest)
    assert (points.shape, points.dtype) == ((2 * CHUNK, 2), np.float32)
    # the chunks differ, and the distribution is that of the guest: errors of the means are 0.045 and 0.09
    assert not np.array_equal(points[:CHUNK], points[CHUNK:])
    assert np.allclose(points.mean(axis=0), [3.0, -1.0], atol=0.4)
    assert np.array_equal(points, drawn(guest))
    assert not np.array_equal(points, drawn(guest, seed=1))


def test_the_random_state_of_a_model_is_restored() -> None:
    model = GaussianMixture(1, random_state=7).fit(X)
    drawn(model)
    assert model.random_state == 7


def test_a_fitted_model_is_scored_in_python() -> None:
    found = score(GaussianMixture(1).fit(X), reference=X.astype(np.float32), metrics="fd", count=400, progress=False)
    assert found.scores[0].value < 0.2
    assert found.name == "GaussianMixture"


@pytest.mark.parametrize(("name", "build"), [("zuko", "flows.NSF(2)"), ("nflows", "distributions.StandardNormal([2])")])
def test_the_real_libraries_work_where_they_are_installed(name: str, build: str) -> None:
    library = pytest.importorskip(name)
    pytest.importorskip(f"{name}.distributions")
    assert drawn(eval(f"library.{build}", {"library": library})).shape == (2 * CHUNK, 2)


class Pipeline:
    """An object that is called with a batch size and returns an object with ``images``, as diffusers' pipelines."""

    def __init__(self, mode: str = "RGB") -> None:
        self.mode = mode

    def __call__(
        self, batch_size: int = 1, generator: Any = None, num_inference_steps: int = 50, output_type: str = "pil"
    ) -> Any:
        pixels = torch.randint(0, 256, (batch_size, 8, 6, 3), dtype=torch.uint8).numpy()
        return SimpleNamespace(images=[Image.fromarray(image).convert(self.mode) for image in pixels])


def pillow(count: int, seed: int) -> list[Image.Image]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 6, 4), dtype=np.uint8)
    return [Image.fromarray(image) for image in pixels]


def test_a_pipeline_that_returns_pillow_images_is_a_sampler() -> None:
    images = drawn(Pipeline())
    assert (images.shape, images.dtype) == ((2 * CHUNK, 3, 8, 6), np.uint8)
    assert not np.array_equal(images[:CHUNK], images[CHUNK:])
    assert np.array_equal(images, drawn(Pipeline()))


def test_pillow_images_are_converted_as_image_files_are() -> None:
    palette = [image.convert("P") for image in pillow(CHUNK, 0)]
    images = drawn(lambda count: palette, CHUNK)
    assert np.array_equal(images[5].transpose(1, 2, 0), np.asarray(palette[5].convert("RGB")))


def test_alpha_is_dropped_as_for_files() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (CHUNK, 8, 6, 4), dtype=np.uint8)
    expected = levels[..., :3].transpose(0, 3, 1, 2)
    assert np.array_equal(drawn(lambda count: levels, CHUNK), expected)
    assert np.array_equal(drawn(lambda count: levels.transpose(0, 3, 1, 2), CHUNK), expected)
    assert np.array_equal(np.unique(drawn(pillow, CHUNK)[:, 0]), np.arange(256))


def test_a_list_of_tensors_is_one_batch() -> None:
    assert drawn(lambda count: list(torch.zeros(count, 3, 8, 6, dtype=torch.uint8)), CHUNK).shape == (CHUNK, 3, 8, 6)


def test_pillow_images_of_several_sizes_are_refused_with_the_sizes() -> None:
    with pytest.raises(PlugError, match=r"Pillow images of 2 sizes \(4x4, 5x4\)"):
        drawn(lambda count: [Image.new("L", (4 + i % 2, 4)) for i in range(count)], CHUNK)


GUESTS = """
import numpy as np

def floats(count, seed):
    return np.random.default_rng(seed).choice([-1, -0.2, 0.6, 1], (count, 3, 4, 4))

def rows(count, seed):
    return (floats(count, seed)[:, 0].reshape(count, 16) + 1) / 2

def bytes(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)

def one(count, seed, range="none"):
    return np.full((count, 2), len(range))

class Classes:
    classes = 2

    def sample_classes(self, labels, seed):
        return np.asarray(labels)[:, None, None, None] * np.ones((1, 3, 4, 4))

    def sample(self, count, seed):
        return np.zeros((count, 3, 4, 4))

class Weighted:
    def __init__(self, shift=0):
        self.shift = shift

    def load(self, path):
        self.mean = float(path.read_text())

    def sample(self, count, seed):
        return np.full((count, 2), self.mean + self.shift)

ready = Weighted()

class Text:
    def __call__(self, prompt=None, steps=50):
        raise ValueError(f"prompt must be a text, not {type(prompt).__name__}")

text = Text()
images = np.zeros((10, 4, 6))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with guests, in the current folder."""
    (tmp_path / "other_guests.py").write_text(GUESTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield "other_guests"
    sys.modules.pop("other_guests", None)


def test_a_range_may_be_declared_for_any_guest(module: str) -> None:
    images = drawn(f"{module}:floats,range=-1..1")
    assert np.unique(images).tolist() == [0, 102, 204, 255]


def test_a_shape_makes_images_of_flat_rows(module: str) -> None:
    assert drawn(f"{module}:bytes,shape=4x4").shape == (2 * CHUNK, 3, 4, 4)
    assert np.unique(drawn(f"{module}:rows,shape=4x4,range=0..1")).tolist() == [0, 102, 204, 255]
    assert drawn(f"{module}:bytes,shape=1x2x8").shape == (2 * CHUNK, 3, 2, 8)
    # without a shape they are points
    assert drawn(f"{module}:bytes").shape == (2 * CHUNK, 16)


def test_a_range_that_is_an_option_of_the_guest_is_given_to_it(module: str) -> None:
    assert (drawn(f"{module}:one,range=abc") == 3).all()


def test_a_declared_range_holds_for_samples_of_classes(module: str) -> None:
    images = drawn(f"{module}:Classes,range=0..1")
    assert [np.unique(image).tolist() for image in images[:2]] == [[0], [255]]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("floats,range=5..1", "is not of the form LOW..HIGH"),
        ("bytes,shape=16", "is not that of an image; write shape=8x8"),
        ("bytes,shape=4x0", "is not that of an image"),
        ("floats,rnge=0..1", "has no option 'rnge'"),
    ],
)
def test_a_wrong_declaration_is_a_mistyped_option(module: str, spec: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_sampler(f"{module}:{spec}")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("bytes,shape=5x5", r"rows of shape \[16\], which do not fill images of the declared shape=5x5"),
        ("rows,range=0..1", r"\[256, 16\], which are points.*declare its shape as well"),
        ("floats,range=0..1", "from -1 to 1, far outside the declared range=0..1"),
        ("floats", r"float64 \[256, 3, 4, 4\] with values from -1 to 1, whose range is not known; declare it"),
    ],
)
def test_samples_that_do_not_have_the_declared_form_are_refused(module: str, spec: str, complaint: str) -> None:
    with pytest.raises(PlugError, match=complaint):
        drawn(f"{module}:{spec}")


def test_nan_in_a_declared_range_means_that_the_model_diverged(module: str) -> None:
    Path("nan_guest.py").write_text("import numpy as np\ndef f(n): return np.full((n, 1, 2, 2), np.nan)\n")
    with pytest.raises(DivergedError, match=r"'nan_guest:f' gave float64 .* NaN"):
        drawn("nan_guest:f,range=0..1")


@pytest.mark.parametrize("guest", ["Weighted", "ready"])
def test_weights_are_loaded_into_a_class_or_an_object(module: str, guest: str) -> None:
    Path("w.txt").write_text("2.5")
    assert (drawn(f"{module}:{guest},weights=w.txt") == 2.5).all()


def test_weights_go_to_load_and_the_other_options_to_the_class(module: str) -> None:
    Path("w.txt").write_text("2.5")
    assert (drawn(f"{module}:Weighted,weights=w.txt,shift=1") == 3.5).all()


def test_weights_of_a_guest_without_load_are_refused(module: str) -> None:
    with pytest.raises(UsageError, match="loads no weights"):
        open_sampler(f"{module}:floats,weights=w.txt")


def test_an_array_in_a_module_keeps_its_own_range(module: str) -> None:
    assert len(open_subject(f"{module}:images,range=0..1")) == 10  # type: ignore[arg-type]


def test_what_is_still_refused_says_how_it_was_called_and_what_to_write(module: str) -> None:
    message = refused("score", "--sampler", f"{module}:text", "--benchmark", "digits")
    sentence, *wrapper = message.rstrip("\n").split("\n")
    assert "raised ValueError: prompt must be a text, not int at " in sentence
    assert sentence.endswith("It was called as Text(prompt=256); if it needs another call, write")
    assert [line.split("#")[0].strip() for line in wrapper] == [
        "def draw(count, seed):",
        "samples = model.sample(count)",
        "return samples",
    ]


def test_a_call_that_gives_no_samples_is_shown_with_its_arguments() -> None:
    class Model:
        def sample(self, sample_shape: Any = ()) -> str:
            return "samples"

    with pytest.raises(PlugError, match=r"gave str .*It was called as .*Model\.sample\(sample_shape=\(256,\)\)"):
        drawn(Model())


def test_an_object_that_cannot_draw_is_told_what_to_write() -> None:
    with warnings.catch_warnings(), pytest.raises(PlugError, match=r"neither samples nor a sampler.*(?s:.*)def draw"):
        open_subject(object())
