"""Results as runs of MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping

from genbench.trackers.libraries import library


class MLflow:
    """MLflow: runs of an experiment, or the run that is active already.

    What decides the numbers is kept as tags: they may be written twice, which parameters may not. A run that was active
    stays active. Where the runs are kept is MLflow's own choice: ``MLFLOW_TRACKING_URI``.
    """

    def __init__(self, experiment: str = "genbench") -> None:
        self._library = library("mlflow", "MlflowClient", extra="mlflow")
        self._entities = library("mlflow.entities", "Metric", extra="mlflow")
        self._client = self._library.MlflowClient()
        self._experiment = str(experiment)
        self._runs: dict[str, str] = {}
        self._own: list[str] = []

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add a point to each metric of a run."""
        if run not in self._runs:
            self._runs[run] = self._begun(run)
            tags = [self._entities.RunTag(name, value) for name, value in about.items()]
            self._client.log_batch(self._runs[run], tags=tags)
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, now, step or 0) for name, value in values.items()]
        self._client.log_batch(self._runs[run], metrics=metrics)

    def close(self) -> None:
        """End the runs that were begun here."""
        for run in self._own:
            self._client.set_terminated(run)

    def _begun(self, run: str) -> str:
        theirs = self._library.active_run()
        if theirs is not None:
            return str(theirs.info.run_id)
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self._experiment)
        self._own.append(str(self._client.create_run(experiment, run_name=run).info.run_id))
        return self._own[-1]
