"""Results as runs of Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genbench.trackers.libraries import library


class WandB:
    """Weights & Biases: runs of a project, or the run that ``wandb.init`` has already begun.

    A run that had begun gets what decides the numbers as ``genbench`` in its config, and stays open. Its steps never go
    back, so a training loop that logs there itself gives its own steps, too. ``WANDB_MODE=offline`` sends nothing.
    """

    def __init__(self, project: str = "genbench", entity: str | None = None) -> None:
        self._library = library("wandb", "init", extra="wandb")
        self._where = {"project": str(project), "entity": entity}
        self._runs: dict[str, Any] = {}
        self._own: list[Any] = []

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add one row to a run's history."""
        if run not in self._runs:
            self._runs[run] = self._begun(run, dict(about))
        self._runs[run].log(dict(values), step=step)

    def close(self) -> None:
        """End the runs that were begun here."""
        for run in self._own:
            run.finish()

    def _begun(self, run: str, about: dict[str, str]) -> Any:
        theirs = self._library.run
        if theirs is not None:
            theirs.config.update({"genbench": about}, allow_val_change=True)
            return theirs
        self._own.append(self._library.init(**self._where, name=run, config=about, reinit="create_new"))
        return self._own[-1]
