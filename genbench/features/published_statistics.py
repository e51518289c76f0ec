"""Published statistics of reference data: where each file is, and the protocol that it belongs to.

Nothing in this table is a guess: what the publisher does not state, and the file does not show, is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from genbench.files.json_records import Count, Must

LabelRule = Literal["random", "equal", ""]

Name = Annotated[
    str, Must("letters, digits, _ and -", lambda name: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None)
]
Sha256 = Annotated[str, Must("64 hex digits", lambda text: re.fullmatch(r"([0-9a-f]{64})?", text) is not None)]


@dataclass(frozen=True)
class NamedStatistics:
    """A file of statistics that has a name: ``--reference stats:NAME``."""

    name: Name
    urls: tuple[str, ...] = ()
    """Addresses of the file, in the order in which they are tried; empty for a file of this computer."""
    path: str = ""
    """Absolute path of a file of this computer; empty for a published file."""
    sha256: Sha256 = ""
    """Checksum of the file. If it is empty, the first file is trusted, and its checksum holds from then on."""
    extractors: tuple[str, ...] = ()
    """Specs of the extractors whose features the statistics are of, with their resize; the first is the default."""
    count: Count | None = None
    """Number of samples that the statistics were computed from; None if unknown."""
    labels: LabelRule = ""
    """How the publisher draws the labels of generated samples: at random, or equally many of each class.

    Empty if the data have no labels, or if it is unknown.
    """
    size: Count | None = None
    """Size of the file in bytes; None if unknown."""
    licence: str = ""
    source: str = ""
    """The page that describes the file."""

    def __post_init__(self) -> None:
        # a registry may be edited by hand
        if not self.file:
            raise ValueError(f"{self.name} has neither the path nor the address of a file")

    @property
    def file(self) -> str:
        """The published name of the file."""
        place = self.path or (urlsplit(self.urls[0]).path if self.urls else "")
        return PurePosixPath(place).name


# README of the folder "evaluations". The statistics are of the whole data set, and beside them there are 10,000 images
# (LSUN bedroom: 5,000) for precision and recall. Labels: torch.randint in classifier_sample.py.
_ADM = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches"
_ADM_PAGE = "https://github.com/openai/guided-diffusion/tree/main/evaluations"
_IMAGENET = 1_281_167
"""Number of training images of ImageNet-1k (ILSVRC 2012)."""


def _adm(name: str, file: str, **known: Any) -> NamedStatistics:
    fields = {"extractors": ("inception",), "licence": "MIT", "source": _ADM_PAGE, **known}
    return NamedStatistics(f"adm-{name}", (f"{_ADM}/{file}",), **fields)


def _adm_imagenet(pixels: int, file: str, **known: Any) -> NamedStatistics:
    return _adm(f"imagenet{pixels}", f"imagenet/{pixels}/{file}", count=_IMAGENET, labels="random", **known)


# The checksum of ImageNet 256 is that of a Git LFS pointer to this file, and of several other public repositories.
_ADM_FILES = (
    _adm_imagenet(64, "VIRTUAL_imagenet64_labeled.npz"),
    _adm_imagenet(128, "VIRTUAL_imagenet128_labeled.npz"),
    _adm_imagenet(
        256,
        "VIRTUAL_imagenet256_labeled.npz",
        sha256="b32732719497e42660a9affb4a966068cba0855ac449b82015e34ec376d20758",
        size=2_037_122_530,
    ),
    _adm_imagenet(512, "VIRTUAL_imagenet512.npz"),
    _adm("lsun-bedroom", "lsun/bedroom/VIRTUAL_lsun_bedroom256.npz", size=1_054_074_338),
    _adm("lsun-cat", "lsun/cat/VIRTUAL_lsun_cat256.npz"),
    _adm("lsun-horse", "lsun/horse/VIRTUAL_lsun_horse256.npz"),
)

# READMEs of EDM and EDM2. Labels: StackedRandomGenerator.randint in generate.py and generate_images.py.
_NVIDIA = "https://nvlabs-fi-cdn.nvidia.com"
_NONCOMMERCIAL = "CC BY-NC-SA 4.0"


def _edm(name: str, file: str, **known: Any) -> NamedStatistics:
    fields = {"licence": _NONCOMMERCIAL, "source": "https://github.com/NVlabs/edm", **known}
    return NamedStatistics(f"edm-{name}", (f"{_NVIDIA}/edm/fid-refs/{file}",), extractors=("inception",), **fields)


def _edm2(size: int) -> NamedStatistics:
    return NamedStatistics(
        f"edm2-imagenet{size}",
        (f"{_NVIDIA}/edm2/dataset-refs/img{size}.pkl",),
        extractors=("inception", "dinov2-vit-l-14"),
        count=_IMAGENET,
        labels="random",
        licence=_NONCOMMERCIAL,
        source="https://github.com/NVlabs/edm2",
    )


_EDM_FILES = (
    _edm("cifar10", "cifar10-32x32.npz", count=50_000, labels="random"),
    _edm("ffhq64", "ffhq-64x64.npz", count=70_000, size=33_571_316),
    _edm("afhqv2-64", "afhqv2-64x64.npz", count=15_803),
    _edm("imagenet64", "imagenet-64x64.npz", count=_IMAGENET, labels="random"),
    # ADM's statistics, of slightly different training images
    _edm("imagenet64-baseline", "imagenet-64x64-baseline.npz", count=_IMAGENET, labels="random", licence="MIT"),
    _edm2(64),
    _edm2(512),
)

# The repository holds both files; two other repositories state these checksums. The statistics are of the training
# images (prepare_ref.py), and engine_jit.py requires equally many samples of each class.
_JIT_FILES = tuple(
    NamedStatistics(
        f"jit-imagenet{size}",
        (f"https://raw.githubusercontent.com/LTH14/JiT/main/fid_stats/jit_in{size}_stats.npz",),
        sha256=sha256,
        extractors=("inception",),
        count=_IMAGENET,
        labels="equal",
        licence="MIT",
        source="https://github.com/LTH14/JiT",
    )
    for size, sha256 in (
        (256, "412046720c0d496dc6d72a30eac3e22b9ef6ddac3501cce7f996674ad227ba4c"),
        (512, "cdd15b54f9d1f26a881fcdc920a3410fa7a934047d6c4f5b8395b87182a9ab42"),
    )
)

# The table "Supported Precomputed Datasets" in clean-fid's README: name here, data set, resolution, split, images.
_CLEAN_FID = "https://www.cs.cmu.edu/~clean-fid/stats"
_CLEAN_FID_SETS = (
    ("cifar10", "cifar10", 32, "train", 50_000),
    ("cifar10", "cifar10", 32, "test", 10_000),
    ("ffhq1024", "ffhq", 1024, "trainval", 50_000),
    ("ffhq1024", "ffhq", 1024, "trainval70k", 70_000),
    ("ffhq256", "ffhq", 256, "trainval", 50_000),
    ("ffhq256", "ffhq", 256, "trainval70k", 70_000),
    ("lsun-church", "lsun_church", 256, "train", 50_000),
    ("lsun-horse", "lsun_horse", 256, "train", 50_000),
    ("lsun-cat", "lsun_cat", 256, "train", 50_000),
    ("lsun-cat", "lsun_cat", 256, "trainfull", 1_657_264),
    ("afhq-cat", "afhq_cat", 512, "train", 5_153),
    ("afhq-dog", "afhq_dog", 512, "train", 4_739),
    ("afhq-wild", "afhq_wild", 512, "train", 4_738),
    ("brecahad", "brecahad", 512, "train", 1_944),
    ("metfaces", "metfaces", 1024, "train", 1_336),
    ("horse2zebra", "horse2zebra", 256, "test", 140),
    ("cat2dog", "cat2dog", 256, "test", 500),
)
_CLEAN_FID_MODES = (
    ("clean", "", "inception,resize=clean"),
    ("legacy_tensorflow", "-tf", "inception"),
    ("legacy_pytorch", "-torch", "inception,resize=torch"),
)
"""The modes, the ends of their names here, and the extractors that compute the same features."""

# get_reference_statistics in cleanfid/features.py: {name}_{mode}_{split}_{resolution}.npz
_CLEAN_FID_FILES = tuple(
    NamedStatistics(
        f"cleanfid-{name}-{split}{end}",
        (f"{_CLEAN_FID}/{data_set}_{mode}_{split}_{size}.npz",),
        extractors=(extractor,),
        count=count,
        licence="MIT",
        source="https://github.com/GaParmar/clean-fid",
    )
    for name, data_set, size, split, count in _CLEAN_FID_SETS
    for mode, end, extractor in _CLEAN_FID_MODES
)

PUBLISHED_STATISTICS = (*_ADM_FILES, *_EDM_FILES, *_JIT_FILES, *_CLEAN_FID_FILES)
"""All published statistics, in the order of the list."""
