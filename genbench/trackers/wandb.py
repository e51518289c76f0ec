"""Send results to Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genbench.trackers.libraries import import_library


class WandB:
    """Weights & Biases: each run becomes a run of a project; after ``wandb.init``, everything is added to that run.

    Such an active run gets the provenance as ``genbench`` in its config, and stays open. The steps of a run must
    increase, so a training loop that logs to it must pass its own steps to genbench. ``WANDB_MODE=offline`` sends
    nothing.
    """

    def __init__(self, project: str = "genbench", entity: str | None = None) -> None:
        self._library = import_library("wandb", "init", extra="wandb")
        self._destination = {"project": str(project), "entity": entity}
        self._runs: dict[str, Any] = {}
        # the runs to finish in ``close``
        self._started: list[Any] = []

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add one row to the history of a run."""
        # The first numbers of a run start it.
        if run not in self._runs:
            self._runs[run] = self._start(run, dict(about))
        self._runs[run].log(dict(values), step=step)

    def close(self) -> None:
        """Finish the runs that this tracker has started."""
        for run in self._started:
            run.finish()

    def _start(self, run: str, about: dict[str, str]) -> Any:
        """Return the active run, or else a new one."""
        active = self._library.run
        if active is not None:
            active.config.update({"genbench": about}, allow_val_change=True)
            return active
        # "create_new" allows several runs to be open at the same time
        self._started.append(self._library.init(**self._destination, name=run, config=about, reinit="create_new"))
        return self._started[-1]
