"""The check that features or moments from a file were computed by the extractor of the samples."""

from __future__ import annotations

from typing import TypeVar

from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import Extractor

FromFile = TypeVar("FromFile", Features, Moments)


def checked_origin(reference: FromFile, extractor: Extractor) -> FromFile:
    """Return features or moments from a file. Raises InputError if another extractor computed them."""
    # files of genbench name their extractor
    if reference.identity and reference.identity != extractor.identity:
        raise InputError(
            f"{reference.name} was made by {reference.extractor or 'another extractor'} ({reference.identity}), but "
            f"the features of the samples are by {extractor.name} ({extractor.identity}); choose the same extractor "
            "with --features and --weights."
        )
    # statistics of other tools are float32
    precision = getattr(extractor, "precision", "fp32")
    if not reference.identity and precision != "fp32":
        raise InputError(
            f"{reference.name} does not say in what precision it was made, and {precision} features may only be "
            f"compared with {precision} features: make it again with "
            f"`genbench stats SAMPLES --precision {precision} --out FILE`."
        )
    return reference
