"""CLIP, DINOv2 and VGG-16 with the preprocessing of torch-fidelity; genbench finds, verifies and reads the weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.state_dicts import StateDict, fill, is_torchscript, read_state_dict
from genbench.extractors.weights import Weights, file_sha256, torch_hub_folder

if TYPE_CHECKING:
    import torch


class _TorchFidelity(Pretrained):
    """A feature of an extractor of torch-fidelity, with its preprocessing."""

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the embedding of uint8 [N, 3, H, W] on the device."""
        import torch

        # Only bf16 needs autocast; the precisions of float32 are set globally while ``views`` runs.
        # The result is float32 in every precision, as the contract of extractors demands.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return {"embedding": self.network(images)[0].float()}


@dataclass(frozen=True)
class Clip(_TorchFidelity):
    """CLIP's image tower (Radford et al. 2021, arXiv 2103.00020): embedding float32 [N, 512] for ViT-B/32.

    Views of uint8 [N, 3, H, W]: the embedding only, torch-fidelity's feature ``clip``: images are resized with
    TensorFlow 1's bilinear filter, and the embedding is not normalised to unit length. OpenAI's files are TorchScript
    programs, which run code when they are opened. Only a file with OpenAI's checksum is opened in this way; any other
    file must be a plain state dict of the whole model.
    Raises UsageError for an unknown variant, InputError if the weights are missing or do not fit.
    """

    variant: str = "vit-b-32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant not in _CLIP_FILES:
            raise UsageError(f"'clip' has no variant={self.variant}{did_you_mean(str(self.variant), _CLIP_FILES)}")

    @property
    def variant_name(self) -> str:
        """Name of the network, without the precision."""
        return "clip" if self.variant == "vit-b-32" else f"clip,variant={self.variant}"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        # torch-fidelity stores the file under its own name for the model; OpenAI publishes it under ``file_stem``.
        file_stem, megabytes, sha256 = _CLIP_FILES[self.variant]
        return Weights(
            file=f"clip-{self.variant}-{sha256}.pt",
            urls=(f"https://openaipublic.azureedge.net/clip/models/{sha256}/{file_stem}.pt",),
            sha256=sha256,
            megabytes=megabytes,
            used_by=self.name,
            other_names=(f"{file_stem}.pt",),
        )

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor with the weights in a file."""
        import torch
        from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP, build_model

        # The constructor draws initial values, which are overwritten: protect the caller's generator.
        try:
            with torch.random.fork_rng(devices=[]):
                model = build_model(self._read_state(path), torch.float32)
        except (KeyError, RuntimeError, ValueError, AssertionError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else "its tensors do not form a CLIP model"
            raise InputError(
                f"{path} does not fit {self.name}: {reason}; expected {self.published_weights.file} or the state dict "
                "of a similar model."
            ) from error
        return _wrap(FeatureExtractorCLIP, "clip", model=model, resolution=model.visual.input_resolution)

    def _read_state(self, path: Path) -> StateDict:
        import torch

        # Opening a TorchScript file runs its code, so only the file that OpenAI published is trusted.
        if is_torchscript(path) and file_sha256(path) == self.published_weights.sha256:
            load: Any = torch.jit.load
            with warnings.catch_warnings():
                # torch warns that TorchScript is deprecated
                warnings.simplefilter("ignore")
                return dict(load(str(path), map_location="cpu").state_dict())
        return read_state_dict(path, self.name)


# OpenAI's files by variant: stem of the name, megabytes and sha256.
_CLIP_FILES = {
    "rn50": ("RN50", 256, "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    "rn101": ("RN101", 292, "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
    "rn50x4": ("RN50x4", 422, "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
    "rn50x16": ("RN50x16", 661, "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
    "rn50x64": ("RN50x64", 1354, "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
    "vit-b-16": ("ViT-B-16", 351, "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    "vit-b-32": ("ViT-B-32", 354, "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    "vit-l-14": ("ViT-L-14", 933, "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    "vit-l-14-336px": ("ViT-L-14-336px", 934, "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"),
}


@dataclass(frozen=True)
class Vgg16(_TorchFidelity):
    """VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556): non-negative embedding float32 [N, 4096].

    Views of uint8 [N, 3, H, W]: the embedding only, torch-fidelity's feature ``fc2_relu``: the second fully connected
    layer after its ReLU, with torchvision's weights. Improved precision and recall use this layer (Kynkaanniemi et al.
    2019, arXiv 1904.06991). Raises InputError if the weights are missing or do not fit.
    """

    @property
    def variant_name(self) -> str:
        """Name of the network, without the precision."""
        return "vgg16"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        return Weights(
            file="vgg16-397923af.pth",
            urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            megabytes=553,
            used_by=self.name,
        )

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor with the weights in a file."""
        import torch
        from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
        from torchvision.models import vgg16

        # On the meta device, the network takes no memory until the weights are loaded.
        with torch.device("meta"):
            model = vgg16()
        fill(model, read_state_dict(path, self.name), path=path, published=self.published_weights)
        # drop the layers after the second fully connected layer and its ReLU
        del model.classifier[4:]
        model.to(memory_format=torch.channels_last)
        return _wrap(FeatureExtractorVGG16, "fc2_relu", model=model)


@dataclass(frozen=True)
class Dinov2(_TorchFidelity):
    """DINOv2 with patches of 14 pixels (Oquab et al. 2023, arXiv 2304.07193): embedding float32 [N, 384 to 1536].

    Views of uint8 [N, 3, H, W]: the embedding only, torch-fidelity's feature ``dinov2``: the class token after the last
    norm, of images resized to 224 x 224 with TensorFlow 1's bilinear filter. The code of the network comes from the
    repository facebookresearch/dinov2. A copy in torch hub's folder is used if there is one, including a copy that
    torch-fidelity downloaded; otherwise torch hub downloads and runs the pinned revision.
    Raises InputError if weights or code are missing or do not fit.
    """

    statistics_name: ClassVar[str] = "fd_dinov2"
    """Key of DINOv2's statistics in files that hold several, such as EDM's."""

    size: str
    """One of s, b, l, g."""

    @property
    def variant_name(self) -> str:
        """Name of the network, without the precision."""
        return f"dinov2-vit-{self.size}-14"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        sha256, megabytes = _DINOV2_FILES[self.size]
        model = f"dinov2_vit{self.size}14"
        url = f"https://dl.fbaipublicfiles.com/dinov2/{model}/{model}_pretrain.pth"
        return Weights(f"{model}_pretrain.pth", (url,), sha256, megabytes, self.name)

    def build(self, path: Path) -> torch.nn.Module:
        """Return torch-fidelity's extractor with the weights in a file."""
        import torch
        from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

        state = read_state_dict(path, self.name)
        # The constructor draws initial values, which are overwritten: protect the caller's generator.
        with torch.random.fork_rng(devices=[]):
            model = _load_dinov2_network(f"dinov2_vit{self.size}14")
        fill(model, state, path=path, published=self.published_weights)
        return _wrap(FeatureExtractorDinoV2, "dinov2", model=model)


# One factory per size, because each size is an extractor with its own name.
def dinov2_vit_s_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-S/14: embedding float32 [N, 384]."""
    return Dinov2("s", weights=weights, device=device, precision=precision)


def dinov2_vit_b_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-B/14: embedding float32 [N, 768]."""
    return Dinov2("b", weights=weights, device=device, precision=precision)


def dinov2_vit_l_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-L/14: embedding float32 [N, 1024], recommended by Stein et al. 2023 (arXiv 2306.04675)."""
    return Dinov2("l", weights=weights, device=device, precision=precision)


def dinov2_vit_g_14(*, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32") -> Dinov2:
    """Return DINOv2 ViT-g/14: embedding float32 [N, 1536]."""
    return Dinov2("g", weights=weights, device=device, precision=precision)


# Files of weights by size: sha256 and megabytes.
_DINOV2_FILES = {
    "s": ("b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", 88),
    "b": ("0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346),
    "l": ("d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1218),
    "g": ("baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3", 4546),
}

# The commit of facebookresearch/dinov2 that is downloaded.
_DINOV2_REVISION = "7764ea0f912e53c92e82eb78a2a1631e92725fc8"


def _load_dinov2_network(model: str) -> torch.nn.Module:
    """Return the network without weights, built by the code in torch hub's folder or, if there is none, on GitHub."""
    import torch

    # Look for a copy on this computer: the pinned revision, or "main", which torch-fidelity downloads.
    hub = torch_hub_folder()
    folders = [hub / f"facebookresearch_dinov2_{revision}" for revision in (_DINOV2_REVISION, "main")]
    local = next((folder for folder in folders if (folder / "hubconf.py").is_file()), None)
    if local is None:
        repository = f"facebookresearch/dinov2:{_DINOV2_REVISION}"
        location = {"repo_or_dir": repository, "source": "github", "trust_repo": "check"}
    else:
        location = {"repo_or_dir": str(local), "source": "local"}
    load: Any = torch.hub.load
    try:
        with _without_xformers():
            network: torch.nn.Module = load(model=model, pretrained=False, **location)
    # Downloads and foreign code can raise any exception.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        remedy = "delete that folder" if local else f"put the repository, at {_DINOV2_REVISION[:8]}, into {folders[0]}"
        raise InputError(
            f"DINOv2's code ({local or 'https://github.com/facebookresearch/dinov2'}) cannot be loaded ({reason}): "
            f"{remedy}, or measure without it with --features efficientnet-lite0 or pixels."
        ) from error
    return network


@contextmanager
def _without_xformers() -> Iterator[None]:
    """Make DINOv2's code use plain attention even if xFormers is installed, as torch-fidelity does."""
    previous = os.environ.get("XFORMERS_DISABLED")
    os.environ["XFORMERS_DISABLED"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="xFormers is")
            yield
    finally:
        if previous is None:
            del os.environ["XFORMERS_DISABLED"]
        else:
            os.environ["XFORMERS_DISABLED"] = previous


def _wrap(extractor_class: Any, feature: str, **attributes: object) -> torch.nn.Module:
    """Return an extractor of torch-fidelity around a model that is already loaded."""
    import torch
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    # The attributes are those that its constructor sets.
    # Its constructor would unpickle a file of weights, so call only the constructor of the base class.
    extractor: torch.nn.Module = extractor_class.__new__(extractor_class)
    FeatureExtractorBase.__init__(extractor, feature, [feature])
    for name, value in {"feature_extractor_internal_dtype": torch.float32, **attributes}.items():
        setattr(extractor, name, value)
    return extractor
