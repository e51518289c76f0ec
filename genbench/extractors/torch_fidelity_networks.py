"""torch-fidelity's other extractors: CLIP, DINOv2 and VGG-16, with weights that genbench finds, checks and reads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.extractors.weights import Pretrained, Weights, file_sha256, fill, is_torchscript, read_weights


class _TorchFidelity(Pretrained):
    """One feature of one of torch-fidelity's extractors, with its own preprocessing."""

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the embedding of uint8 [N, 3, H, W] on the device."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return {"embedding": self.network(images)[0].float()}


@dataclass(frozen=True)
class Clip(_TorchFidelity):
    """CLIP's image tower (Radford et al. 2021, arXiv 2103.00020): embedding float32 [N, 512] for ViT-B/32.

    Views of uint8 [N, 3, H, W]: embedding alone, torch-fidelity's feature ``clip``: resized by TensorFlow 1's
    bilinear, not normalised to length one. OpenAI's files are TorchScript programs, and opening one runs it: only a
    file with OpenAI's own checksum is opened so; any other must be a plain state dict of the whole model.
    Raises UsageError for an unknown variant, InputError where the weights are missing or do not fit.
    """

    variant: str = "vit-b-32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant not in _CLIP_MEGABYTES:
            raise UsageError(f"'clip' has no variant={self.variant}{did_you_mean(str(self.variant), _CLIP_MEGABYTES)}")

    @property
    def space(self) -> str:
        """For people."""
        return "clip" if self.variant == "vit-b-32" else f"clip,variant={self.variant}"

    @property
    def record(self) -> Weights:
        """The published file of weights."""
        from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS

        model = f"clip-{self.variant}"
        sha256, published = MODEL_METADATA[model]["hash"], MODEL_METADATA[model]["filename"]
        return Weights(
            file=f"{model}-{sha256}.pt",
            urls=(MODEL_URLS[model],),
            sha256=sha256,
            megabytes=_CLIP_MEGABYTES[self.variant],
            used_by=self.name,
            also=(f"{published}.pt",),
        )

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor, filled with the weights in a file."""
        from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP, build_model

        try:
            with torch.random.fork_rng(devices=[]):  # initial values are drawn, and then written over
                model = build_model(self._state(path), torch.float32)
        except (KeyError, RuntimeError, ValueError, AssertionError) as error:
            lacks = f"it lacks {error}" if isinstance(error, KeyError) else "its tensors do not make up CLIP"
            raise InputError(
                f"{path} does not fit {self.name}: {lacks}; wanted is {self.record.file} or the state dict of a model "
                "like it."
            ) from error
        return _filled(FeatureExtractorCLIP, "clip", model=model, resolution=model.visual.input_resolution)

    def _state(self, path: Path) -> dict[str, torch.Tensor]:
        if is_torchscript(path) and file_sha256(path) == self.record.sha256:
            run: Any = torch.jit.load
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that torch will give up TorchScript
                return dict(run(str(path), map_location="cpu").state_dict())
        return read_weights(path, self.name)


_CLIP_MEGABYTES = {
    "rn50": 256,
    "rn101": 292,
    "rn50x4": 422,
    "rn50x16": 661,
    "rn50x64": 1354,
    "vit-b-16": 351,
    "vit-b-32": 354,
    "vit-l-14": 933,
    "vit-l-14-336px": 934,
}


@dataclass(frozen=True)
class Vgg16(_TorchFidelity):
    """VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556): embedding float32 [N, 4096], 0 or more.

    Views of uint8 [N, 3, H, W]: embedding alone, torch-fidelity's feature ``fc2_relu``: the second fully connected
    layer after its ReLU, the space of improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991), here
    with torchvision's weights. Raises InputError where the weights are missing or do not fit.
    """

    @property
    def space(self) -> str:
        """For people."""
        return "vgg16"

    @property
    def record(self) -> Weights:
        """The published file of weights."""
        return Weights(
            file="vgg16-397923af.pth",
            urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            megabytes=553,
            used_by=self.name,
        )

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor, filled with the weights in a file."""
        from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
        from torchvision.models import vgg16

        with torch.device("meta"):
            model = vgg16()
        fill(model, read_weights(path, self.name), path=path, record=self.record)
        del model.classifier[4:]  # what comes after the second fully connected layer
        model.to(memory_format=torch.channels_last)
        return _filled(FeatureExtractorVGG16, "fc2_relu", model=model)


@dataclass(frozen=True)
class Dinov2(_TorchFidelity):
    """DINOv2 with patches of 14 pixels (Oquab et al. 2023, arXiv 2304.07193): embedding float32 [N, 384 to 1536].

    Views of uint8 [N, 3, H, W]: embedding alone, torch-fidelity's feature ``dinov2``: the class token after the last
    norm, images resized to 224 by TensorFlow 1's bilinear. The network itself is code of facebookresearch/dinov2, which
    torch hub downloads, and runs, in the pinned revision; a copy in torch hub's folder is used first, the one that
    torch-fidelity leaves there included. Raises InputError where weights or code are missing or do not fit.
    """

    size: str
    """One of s, b, l, g."""

    @property
    def space(self) -> str:
        """For people."""
        return f"dinov2-vit-{self.size}-14"

    @property
    def record(self) -> Weights:
        """The published file of weights."""
        sha256, megabytes = _DINOV2[self.size]
        model = f"dinov2_vit{self.size}14"
        url = f"https://dl.fbaipublicfiles.com/dinov2/{model}/{model}_pretrain.pth"
        return Weights(f"{model}_pretrain.pth", (url,), sha256, megabytes, self.name)

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor, filled with the weights in a file."""
        from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

        state = read_weights(path, self.name)
        with torch.random.fork_rng(devices=[]):  # initial values are drawn, and then written over
            model = _dinov2_network(f"dinov2_vit{self.size}14")
        fill(model, state, path=path, record=self.record)
        return _filled(FeatureExtractorDinoV2, "dinov2", model=model)


def dinov2_vit_s_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-S/14: embedding float32 [N, 384]."""
    return Dinov2("s", weights=weights, device=device, precision=precision)


def dinov2_vit_b_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-B/14: embedding float32 [N, 768]."""
    return Dinov2("b", weights=weights, device=device, precision=precision)


def dinov2_vit_l_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-L/14: embedding float32 [N, 1024], the space of Stein et al. 2023 (arXiv 2306.04675)."""
    return Dinov2("l", weights=weights, device=device, precision=precision)


def dinov2_vit_g_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-g/14: embedding float32 [N, 1536]."""
    return Dinov2("g", weights=weights, device=device, precision=precision)


_DINOV2 = {  # sha256 and megabytes
    "s": ("b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", 88),
    "b": ("0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346),
    "l": ("d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1218),
    "g": ("baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3", 4546),
}
_DINOV2_CODE = "7764ea0f912e53c92e82eb78a2a1631e92725fc8"


def _dinov2_network(model: str) -> torch.nn.Module:
    """Return the network without its weights, made by the code in torch hub's folder or, failing that, on GitHub."""
    hub = Path(torch.hub.get_dir())
    folders = [hub / f"facebookresearch_dinov2_{revision}" for revision in (_DINOV2_CODE, "main")]
    local = next((folder for folder in folders if (folder / "hubconf.py").is_file()), None)
    place = {"repo_or_dir": str(local), "source": "local"}
    if local is None:
        place = {"repo_or_dir": f"facebookresearch/dinov2:{_DINOV2_CODE}", "source": "github", "trust_repo": "check"}
    load: Any = torch.hub.load
    try:
        with _without_xformers():
            network: torch.nn.Module = load(model=model, pretrained=False, **place)
    except Exception as error:  # a download and other people's code: anything may be raised
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        remedy = "delete that folder" if local else f"put the repository, at {_DINOV2_CODE[:8]}, into {folders[0]}"
        raise InputError(
            f"DINOv2's code ({local or 'https://github.com/facebookresearch/dinov2'}) cannot be loaded ({reason}): "
            f"{remedy}, or measure without it with --features pixels, digits or mnist."
        ) from error
    return network


@contextmanager
def _without_xformers() -> Iterator[None]:
    """Make DINOv2's code take plain attention whatever is installed, as torch-fidelity does."""
    before = os.environ.get("XFORMERS_DISABLED")
    os.environ["XFORMERS_DISABLED"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="xFormers is")
            yield
    finally:
        if before is None:
            del os.environ["XFORMERS_DISABLED"]
        else:
            os.environ["XFORMERS_DISABLED"] = before


def _filled(kind: Any, feature: str, **attributes: object) -> torch.nn.Module:
    """Put a ready model into one of torch-fidelity's extractors, past its constructor, which would unpickle a path."""
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    extractor: torch.nn.Module = kind.__new__(kind)
    FeatureExtractorBase.__init__(extractor, feature, [feature])
    for name, value in {"feature_extractor_internal_dtype": torch.float32, **attributes}.items():
        setattr(extractor, name, value)
    return extractor
