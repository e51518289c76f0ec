"""genbench: the measuring instrument for generative models."""
