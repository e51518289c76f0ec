"""The Fréchet distance: FID in Inception's features, FD in any other."""

from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance, frechet_distance_of_rows

__all__ = ["FrechetDistance", "frechet_distance", "frechet_distance_of_rows"]
