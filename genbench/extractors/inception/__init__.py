"""Inception-v3 as FID uses it: the extractor, its fused network and its backends."""

from genbench.extractors.inception.extractor import Inception

__all__ = ["Inception"]
