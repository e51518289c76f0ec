"""From samples to features: one pass over a source, stored block by block."""
