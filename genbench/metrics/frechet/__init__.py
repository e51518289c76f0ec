"""The Fréchet distance: FID with the Inception extractor, FD with any other."""

from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance, frechet_distance_of_rows

__all__ = ["FrechetDistance", "frechet_distance", "frechet_distance_of_rows"]
