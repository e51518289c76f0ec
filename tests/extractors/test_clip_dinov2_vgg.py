"""CLIP, VGG-16 and DINOv2 give the features of torch-fidelity, and read weights without running code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genbench.errors import InputError, UsageError
from genbench.extractors.clip_dinov2_vgg import Clip, Dinov2, Vgg16, dinov2_vit_l_14, dinov2_vit_s_14
from genbench.extractors.weights import Weights, file_sha256
from tests.helpers.random_weights import smooth_images

IMAGES = torch.from_numpy(smooth_images(3, size=40, seed=2))


class TinyClip(torch.nn.Module):
    """The image tower of CLIP, as in OpenAI's files, with 2 layers, patches of 16 pixels and images of 64 pixels."""

    def __init__(self) -> None:
        from torch_fidelity.feature_extractor_clip import CLIPVisual

        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.visual = CLIPVisual(16, 64, 2, 64, 16).visual
            self.text_projection = torch.nn.Parameter(torch.randn(8, 16))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.visual(images)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript
        torch.jit.trace(TinyClip().eval(), torch.zeros(1, 3, 64, 64)).save(str(path))
    return path


def state_file(folder: Path) -> Path:
    torch.save(TinyClip().state_dict(), folder / "clip.pth")
    return folder / "clip.pth"


def same(features: torch.Tensor, expected: torch.Tensor) -> bool:
    assert expected.std(dim=0).mean() > 1e-3
    return bool((features - expected).abs().max() <= 1e-5 * expected.abs().max())


def test_clip_gives_torch_fidelitys_features(tmp_path: Path, program: Path) -> None:
    from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(program))(IMAGES)[0]
    assert same(Clip(weights=state_file(tmp_path))(IMAGES)["embedding"], expected)


def test_a_torchscript_file_of_clip_is_opened_only_with_the_published_checksum(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="TorchScript"):
        Clip(weights=program)(IMAGES)
    published = replace(Clip().published_weights, sha256=file_sha256(program))
    monkeypatch.setattr(Clip, "published_weights", published)
    opened = Clip(weights=program)(IMAGES)["embedding"]
    assert torch.equal(opened, Clip(weights=state_file(tmp_path))(IMAGES)["embedding"])


@pytest.mark.parametrize("missing", ["text_projection", "visual.conv1.weight", "visual.ln_post.bias"])
def test_the_message_names_a_state_dict_that_does_not_fit_clip(tmp_path: Path, missing: str) -> None:
    state = TinyClip().state_dict()
    del state[missing]
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(InputError, match=r"half\.pth does not fit clip"):
        Clip(weights=tmp_path / "half.pth")(IMAGES)


def test_the_message_about_an_unknown_variant_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'vit-l-14'"):
        Clip("vit-l14")


def test_variants_have_different_names_and_files() -> None:
    default, other = Clip(), Clip("rn50")
    assert (default.name, other.name) == ("clip", "clip,variant=rn50")
    assert default.published_weights.file != other.published_weights.file


def vgg16_file(folder: Path) -> Path:
    """Write a state dict of VGG-16 whose large matrices are views of short vectors: small on disk, but of full rank."""
    from torchvision.models import vgg16

    with torch.device("meta"):
        expected = vgg16().state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in expected.items():
        spread = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
        if tensor.ndim == 2:
            vector = torch.randn(sum(tensor.shape), generator=generator) * spread
            state[name] = vector.as_strided(tensor.shape, (1, 1))
        else:
            state[name] = torch.randn(tensor.shape, generator=generator) * spread
    torch.save(state, folder / "vgg16.pth")
    return folder / "vgg16.pth"


def test_vgg16_gives_torch_fidelitys_features(tmp_path: Path) -> None:
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

    path = vgg16_file(tmp_path)
    expected = FeatureExtractorVGG16("vgg16", ["fc2_relu"], str(path))(IMAGES)[0]
    features = Vgg16(weights=path)(IMAGES)["embedding"]
    assert features.shape == (3, 4096)
    assert same(features, expected)


def test_the_message_names_weights_that_do_not_fit_vgg16(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 1, 3, 3)}, tmp_path / "gray.pth")
    with pytest.raises(InputError, match=r"gray\.pth does not fit vgg16.*vgg16-397923af\.pth"):
        Vgg16(weights=tmp_path / "gray.pth")(IMAGES)


HUBCONF = """
import os
import torch

dependencies = ["torch"]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 5, 14, 14)

    def forward(self, images):
        assert images.shape[2:] == (224, 224)
        return self.patches(images).mean(dim=(2, 3))


def dinov2_vits14(pretrained=True):
    assert not pretrained and os.environ["XFORMERS_DISABLED"]
    return Network()
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("XFORMERS_DISABLED", raising=False)
    return tmp_path / "torch" / "hub"


def dinov2_weights(folder: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    state = {"patches.weight": torch.randn(5, 3, 14, 14, generator=generator), "patches.bias": torch.zeros(5)}
    torch.save(state, folder / "dinov2.pth")
    return folder / "dinov2.pth"


def test_dinov2_runs_the_code_in_torch_hubs_folder_on_torch_fidelitys_preprocessing(hub: Path, tmp_path: Path) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    code = hub / "facebookresearch_dinov2_main"
    code.mkdir(parents=True)
    (code / "hubconf.py").write_text(HUBCONF)
    path = dinov2_weights(tmp_path)
    before = torch.get_rng_state()
    features = dinov2_vit_s_14(weights=path)(IMAGES)["embedding"]
    assert torch.equal(torch.get_rng_state(), before)
    resized = interpolate_bilinear_2d_like_tensorflow1x(IMAGES.float(), size=(224, 224), align_corners=False) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (resized - mean[:, None, None]) / std[:, None, None]
    expected = torch.nn.functional.conv2d(normalised, torch.load(path)["patches.weight"], stride=14).mean(dim=(2, 3))
    assert same(features, expected)


def test_without_dinov2s_code_one_sentence_says_which_code_to_put_where(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**location: object) -> None:
        raise OSError(f"no network for {location['repo_or_dir']}")

    monkeypatch.setattr(torch.hub, "load", unreachable)
    with pytest.raises(InputError) as error:
        dinov2_vit_s_14(weights=dinov2_weights(tmp_path))(IMAGES)
    message = str(error.value)
    assert "\n" not in message
    for part in ("facebookresearch/dinov2:7764ea0f", str(hub), "--features efficientnet-lite0 or pixels"):
        assert part in message


def test_the_message_names_broken_code_in_torch_hubs_folder(hub: Path, tmp_path: Path) -> None:
    code = hub / "facebookresearch_dinov2_main"
    code.mkdir(parents=True)
    (code / "hubconf.py").write_text("raise RuntimeError('half a download')")
    with pytest.raises(InputError, match=r"facebookresearch_dinov2_main.*half a download.*delete that folder"):
        dinov2_vit_s_14(weights=dinov2_weights(tmp_path))(IMAGES)


@pytest.mark.parametrize("make", [dinov2_vit_s_14, dinov2_vit_l_14])
def test_statistics_of_dinov2_have_their_own_name(make: Callable[[], Dinov2]) -> None:
    assert make().statistics_name == "fd_dinov2"
    assert not hasattr(Vgg16(), "statistics_name")


@pytest.mark.parametrize("make", [Clip, Vgg16, dinov2_vit_l_14])
def test_nothing_is_read_before_it_is_needed(make: Callable[..., Clip | Vgg16 | Dinov2], tmp_path: Path) -> None:
    extractor = make(weights=tmp_path / "nowhere.pth")
    assert extractor.name
    assert isinstance(extractor.published_weights, Weights)
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        _ = extractor.identity
