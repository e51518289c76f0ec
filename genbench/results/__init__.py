"""Results: the scores of one subject with everything that decides them, and their JSON-lines files."""

from genbench.results.result import Entry, Result, SampleSet, read_results, results_of
from genbench.results.training_record import CriticRecord, TrainingRecord

__all__ = ["CriticRecord", "Entry", "Result", "SampleSet", "TrainingRecord", "read_results", "results_of"]
