"""Panels: named lists of extractors, one score over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genbench.errors import UsageError, did_you_mean
from genbench.plugs.registry import installed, load
from genbench.plugs.specs import Spec, parse_specs

PUBLISHED_FLOOR = "published"
"""The floor of a panel that consists of published distances."""


@dataclass(frozen=True)
class Panel:
    """Several extractors with one score. Guests' panels are entry points of the group ``genbench.panels``."""

    name: str
    extractors: tuple[str, ...]
    """Specs of the extractors."""
    about: str = ""
    floors: tuple[float, ...] = ()
    """Published Frechet distance of held-out real samples to the reference, by extractor; empty if there is none."""
    floor_count: int = 0
    """Number of the samples of ``floors``."""
    may_lack: bool = False
    """Whether extractors that cannot be opened are left out, which a result tells, instead of raising."""


# Representation Frechet Loss (arXiv 2604.28190): ratios of Frechet distances on ImageNet at 256 pixels. The paper's
# distances of the 50,000 validation images to the statistics of the training images are in the order of its encoders.
# Networks, sizes and pooling are those of the code of its authors, which sees all of an image (crop=1).
FDR6 = Panel(
    name="fdr6",
    extractors=(
        "inception",
        "timm,model=convnextv2_base.fcmae_ft_in22k_in1k,pool=avg,crop=1",
        "timm,model=vit_large_patch14_dinov2.lvd142m,size=256",
        "timm,model=vit_large_patch16_224.mae,crop=1",
        "timm,model=vit_so400m_patch16_siglip_256.v2_webli,size=224,crop=1",
        "timm,model=vit_large_patch14_clip_224.openai,size=256",
    ),
    about="Inception, ConvNeXt, DINOv2-L, MAE-L, SigLIP2-so400m and CLIP-L; needs timm and its weights",
    floors=(1.68, 56.87, 14.19, 0.04, 0.60, 5.60),
    floor_count=50_000,
)

# No download: networks whose weights are in packages of the registry, and the pixels.
OFFLINE = Panel(
    name="offline",
    extractors=("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "pixels"),
    about="EfficientNet-Lite 0, 1 and 2, and the pixels: no download; a network whose weights are absent is left out",
    may_lack=True,
)


def open_panel(text: str) -> Panel:
    """Return the panel of a name, or of a list of extractor specs such as ``inception,resize=clean,pixels,size=32``.

    The name of a list is made of those of its extractors: ``inception+pixels``, or ``pixels-size=8+pixels-size=32``. It
    has no comma, which separates names of scores elsewhere. Raises UsageError for a name that is neither a
    panel nor an extractor.
    """
    # a name alone may be that of a panel
    specs = parse_specs(text)
    if len(specs) == 1 and specs[0].name in installed("panels"):
        panel: Panel = load("panels", specs[0])
        return panel
    for spec in specs:
        _require_extractor(spec, specs)
    # options are part of the name only where they tell extractors apart
    names = [spec.name for spec in specs]
    parts = [spec.name if names.count(spec.name) == 1 else str(spec).replace(",", "-") for spec in specs]
    return Panel("+".join(parts), tuple(map(str, specs)), about="a list of extractors")


def _require_extractor(spec: Spec, specs: Sequence[Spec]) -> None:
    """Raise UsageError for a name that is no extractor; guests' extractors and files are opened later."""
    if spec.extractor is not None:
        raise UsageError(
            f"--panel takes names of extractors, not {str(spec)!r}; choose a distance with --panel-metric."
        )
    if spec.name in installed("panels"):
        raise UsageError(f"{spec.name!r} is a whole panel; give it alone, or list extractors instead.")
    if ":" in spec.name or Path(spec.name).is_file() or spec.name in installed("extractors"):
        return
    # a single word may be meant as a panel
    known = [*installed("extractors"), *(installed("panels") if len(specs) == 1 else ())]
    raise UsageError(f"There is no panel or extractor called {spec.name!r}{did_you_mean(spec.name, known)}")
