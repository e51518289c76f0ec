"""One sampler of a benchmark as the report shows it: its results, and the files of the run that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genbench.comparison.group_by_subject import by_subject
from genbench.results import Entry, Result, read_results
from genbench.runs.folder import RunFolder
from genbench.runs.gallery_record import Gallery
from genbench.runs.history import History


@dataclass(frozen=True)
class SamplerRun:
    """One sampler of a benchmark: its results, and what ``run`` wrote beside them."""

    name: str
    results: tuple[Result, ...]
    """One result for each training seed, ordered by seed."""
    gallery: Gallery
    """Of the first seed."""
    samples: Path | None
    """Grid of samples of the first seed; None if there is no such file. The same for ``sheet``."""
    sheet: Path | None
    histories: Mapping[int, History]
    """The watched steps of each training, by seed."""

    @property
    def chosen_steps(self) -> dict[int, int]:
        """The chosen training step of each seed that has one."""
        steps = {result.replicate_seed: result.training.chosen_step for result in self.results if result.training}
        return {seed: step for seed, step in steps.items() if step}

    def entry(self, short: str) -> Entry | None:
        """Return the first seed's score with this name before the @; None if there is none."""
        # several extractors may have a score of this name; the first one counts
        matching = (entry for entry in self.results[0].scores if entry.name.partition("@")[0] == short)
        return next(matching, None)


def sampler_runs(results: Sequence[Result], root: Path) -> list[SamplerRun]:
    """Return the samplers of results that ``run`` wrote into ``root``, in the order of their first lines."""
    runs = []
    # results of one sampler with different seeds form one run
    for name, unordered in by_subject(results).items():
        own = sorted(unordered, key=lambda result: result.replicate_seed)
        # every seed has a history, but only the gallery of the first seed is shown
        folders = [folder for result in own if (folder := _folder_of(result, root)) is not None]
        first = _folder_of(own[0], root)
        runs.append(
            SamplerRun(
                name,
                tuple(own),
                first.read_gallery() if first else Gallery(),
                first.samples if first and first.samples.is_file() else None,
                first.sheet if first and first.sheet.is_file() else None,
                {folder.seed: history for folder in folders if (history := folder.read_history()).steps},
            )
        )
    return runs


def _folder_of(result: Result, root: Path) -> RunFolder | None:
    """Return the folder of a result; None if it holds a later run, for example with another budget."""
    # a later run overwrites the files of an earlier one, but the earlier result stays in the benchmark's file
    folder = RunFolder(root, (result.benchmark or "").rpartition("@")[0], result.name, result.replicate_seed)
    if folder.result.is_file() and [later.created for later in read_results(folder.result)] != [result.created]:
        return None
    return folder
