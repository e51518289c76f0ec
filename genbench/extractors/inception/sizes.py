"""What goes into Inception-v3 and comes out of it; known without any library that runs it."""

from __future__ import annotations

SIZE = 299
"""Width and height of the network's input."""

RESIZE_NAMES = ("tf", "torch", "clean", "torchmetrics")
"""Values of the option ``resize``."""

EMBEDDING_SIZE = 2048
LOGITS_SIZE = 1008

SPATIAL_CHANNELS = 7
"""Channels of sFID's activations: 7 of 192, which give about as many numbers as the embedding has."""

ADDED_VIEWS = {"spatial": 17 * 17 * SPATIAL_CHANNELS, "64": 64, "192": 192, "768": 768}
"""The views that the graph can give beside the embedding, and how many numbers each of them has."""

NORM_EPSILON = 0.001
"""Number that TensorFlow's batch norms add to the variance."""
