"""Extraction: the pass from a source through extractors to Features, and the store of its results on disk."""
