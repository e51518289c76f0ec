"""Results: the scores of one subject with everything that decides them, and their JSON-lines files."""

from genbench.results.result import CriticRecord, Entry, Result, SampleSet, TrainingRecord, read_results

__all__ = ["CriticRecord", "Entry", "Result", "SampleSet", "TrainingRecord", "read_results"]
