"""The options of a score, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

from genbench.distributed import Ranks
from genbench.plugs.contracts import Extractor


@dataclass(frozen=True)
class Options:
    """How to score. What decides a number goes into the Result."""

    reference: object | None = None
    """Path, spec, Source, Features or Moments of the real samples."""
    metrics: str | None = None
    """Metric specs: ``"fid,is,splits=1,fd@pixels"``; None means the benchmark's, or all that apply."""
    features: str | Extractor | None = None
    """Extractor spec or plug; None means the benchmark's, or Inception for images and points for points."""
    protocols: str | None = None
    """Resizes of Inception, ``"tf,torch,clean"``: each metric (FID, if none is asked) is told under every one."""
    count: int | None = None
    """How many generated samples; None means the benchmark's, or all there are."""
    seed: int = 0
    """Seed of samplers, of the choice of a subset, and of metrics that draw."""
    batch_size: int = 32
    workers: int | None = None
    """Decoding threads; None chooses."""
    device: str = "auto"
    weights: str | None = None
    """Path of the extractor's weights."""
    precision: str | None = None
    """fp32, tf32 or bf16, where the extractor can choose; None is its own, fp32."""
    backend: str | None = None
    """torch, openvino or compile, where the extractor can choose; None is its own."""
    name: str | None = None
    """What the table calls the subject; None means its path or spec."""
    skip_corrupt: bool = False
    """Leave out images that cannot be decoded and say how many, instead of stopping."""
    ranks: Ranks | None = None
    """The processes that share the work; None works alone."""
    cache: bool = True
    """Keep and reuse features on disk."""
    progress: bool | None = None
    """Show a progress bar on stderr; None shows it where stderr is a terminal."""
