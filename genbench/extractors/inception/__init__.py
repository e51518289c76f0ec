"""Inception-v3 as used by FID: the extractor, its fused network, and the libraries that run it."""

from genbench.extractors.inception.extractor import Inception

__all__ = ["Inception"]
