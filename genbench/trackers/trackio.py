"""Send results to Trackio."""

from __future__ import annotations

from typing import Any

from genbench.trackers.libraries import import_library
from genbench.trackers.wandb import WandB


class Trackio(WandB):
    """Trackio: each run becomes a run of a project; after ``trackio.init``, everything is added to that run.

    Such an active run gets the provenance as ``genbench`` in its config, and stays open. Trackio stores its runs in
    ``TRACKIO_DIR``, by default in the cache of Hugging Face, and sends nothing unless ``space`` names a Space.
    """

    def __init__(self, project: str = "genbench", space: str | None = None) -> None:
        self._library = import_library("trackio", "init", extra="trackio")
        self._current = import_library("trackio.context_vars", "current_run", extra="trackio").current_run
        self._destination = {"project": str(project), "space_id": space}
        self._runs: dict[str, Any] = {}
        # the runs to finish in ``close``
        self._started: list[Any] = []

    def _start(self, run: str, about: dict[str, str]) -> Any:
        """Return the active run, or else a new one, which does not become the active run."""
        active = self._current.get()
        if active is not None:
            active.config["genbench"] = about
            return active
        self._started.append(self._library.init(**self._destination, name=run, config=about))
        self._current.set(None)
        return self._started[-1]
