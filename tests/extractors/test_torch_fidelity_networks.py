"""CLIP, VGG-16 and DINOv2 give torch-fidelity's features from weights that are read without running code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genbench.errors import InputError, UsageError
from genbench.extractors.torch_fidelity_networks import Clip, Dinov2, Vgg16, dinov2_vit_l_14, dinov2_vit_s_14
from genbench.extractors.weights import Weights, file_sha256
from tests.helpers.random_weights import smooth_images

IMAGES = torch.from_numpy(smooth_images(3, size=40, seed=2))


class TinyClip(torch.nn.Module):
    """CLIP as OpenAI's files hold it, as far as an image tower needs it: 2 layers, patches of 16, images of 64."""

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
        warnings.simplefilter("ignore")  # that TorchScript is going away
        torch.jit.trace(TinyClip().eval(), torch.zeros(1, 3, 64, 64)).save(str(path))
    return path


def state_file(folder: Path) -> Path:
    torch.save(TinyClip().state_dict(), folder / "clip.pth")
    return folder / "clip.pth"


def same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    assert theirs.std(dim=0).mean() > 1e-3
    return bool((ours - theirs).abs().max() <= 1e-5 * theirs.abs().max())


def test_clip_gives_torch_fidelitys_features(tmp_path: Path, program: Path) -> None:
    from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(program))(IMAGES)[0]
    assert same(Clip(weights=state_file(tmp_path))(IMAGES)["embedding"], theirs)


def test_a_torchscript_file_of_clip_is_opened_with_its_publishers_checksum_only(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="TorchScript"):
        Clip(weights=program)(IMAGES)
    published = replace(Clip().record, sha256=file_sha256(program))
    monkeypatch.setattr(Clip, "record", published)
    opened = Clip(weights=program)(IMAGES)["embedding"]
    assert torch.equal(opened, Clip(weights=state_file(tmp_path))(IMAGES)["embedding"])


@pytest.mark.parametrize("lost", ["text_projection", "visual.conv1.weight", "visual.ln_post.bias"])
def test_a_state_dict_that_is_not_clips_is_named(tmp_path: Path, lost: str) -> None:
    state = TinyClip().state_dict()
    del state[lost]
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(InputError, match=r"half\.pth does not fit clip"):
        Clip(weights=tmp_path / "half.pth")(IMAGES)


def test_an_unknown_variant_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'vit-l-14'"):
        Clip("vit-l14")


def test_variants_have_names_and_files_of_their_own() -> None:
    one, other = Clip(), Clip("rn50")
    assert (one.name, other.name) == ("clip", "clip,variant=rn50")
    assert one.record.file != other.record.file


def vgg16_file(folder: Path) -> Path:
    """Write a state dict of VGG-16 whose large matrices are views of short vectors: small on disk, yet full of rank."""
    from torchvision.models import vgg16

    with torch.device("meta"):
        wanted = vgg16().state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in wanted.items():
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
    theirs = FeatureExtractorVGG16("vgg16", ["fc2_relu"], str(path))(IMAGES)[0]
    ours = Vgg16(weights=path)(IMAGES)["embedding"]
    assert ours.shape == (3, 4096)
    assert same(ours, theirs)


def test_weights_that_are_not_vgg16s_are_named(tmp_path: Path) -> None:
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
    ours = dinov2_vit_s_14(weights=path)(IMAGES)["embedding"]
    assert torch.equal(torch.get_rng_state(), before)
    resized = interpolate_bilinear_2d_like_tensorflow1x(IMAGES.float(), size=(224, 224), align_corners=False) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = (resized - mean[:, None, None]) / std[:, None, None]
    theirs = torch.nn.functional.conv2d(seen, torch.load(path)["patches.weight"], stride=14).mean(dim=(2, 3))
    assert same(ours, theirs)


def test_without_dinov2s_code_one_sentence_says_what_to_put_where(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**place: object) -> None:
        raise OSError(f"no network for {place['repo_or_dir']}")

    monkeypatch.setattr(torch.hub, "load", unreachable)
    with pytest.raises(InputError) as error:
        dinov2_vit_s_14(weights=dinov2_weights(tmp_path))(IMAGES)
    message = str(error.value)
    assert "\n" not in message
    for part in ("facebookresearch/dinov2:7764ea0f", str(hub), "pixels, digits or mnist"):
        assert part in message


def test_broken_code_in_torch_hubs_folder_is_named(hub: Path, tmp_path: Path) -> None:
    code = hub / "facebookresearch_dinov2_main"
    code.mkdir(parents=True)
    (code / "hubconf.py").write_text("raise RuntimeError('half a download')")
    with pytest.raises(InputError, match=r"facebookresearch_dinov2_main.*half a download.*delete that folder"):
        dinov2_vit_s_14(weights=dinov2_weights(tmp_path))(IMAGES)


@pytest.mark.parametrize("make", [Clip, Vgg16, dinov2_vit_l_14])
def test_nothing_is_read_before_the_first_need(make: Callable[..., Clip | Vgg16 | Dinov2], tmp_path: Path) -> None:
    extractor = make(weights=tmp_path / "nowhere.pth")
    assert extractor.name
    assert isinstance(extractor.record, Weights)
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        _ = extractor.identity
