"""Send results to MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping

from genbench.trackers.libraries import import_library


class MLflow:
    """MLflow: each run becomes a run of an experiment; if a run is active, everything is added to that run.

    An active run stays active. The provenance is stored as tags, because MLflow does not allow a second value for a
    parameter. ``MLFLOW_TRACKING_URI`` selects where MLflow stores its runs.
    """

    def __init__(self, experiment: str = "genbench") -> None:
        self._library = import_library("mlflow", "MlflowClient", extra="mlflow")
        self._entities = import_library("mlflow.entities", "Metric", extra="mlflow")
        self._client = self._library.MlflowClient()
        self._experiment = str(experiment)
        self._runs: dict[str, str] = {}
        # the runs to end in ``close``
        self._started: list[str] = []

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add a value to each metric of a run."""
        if run not in self._runs:
            # The first numbers of a run: start it, and add its provenance.
            self._runs[run] = self._start(run)
            tags = [self._entities.RunTag(name, value) for name, value in about.items()]
            self._client.log_batch(self._runs[run], tags=tags)
        # MLflow expects milliseconds.
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, now, step or 0) for name, value in values.items()]
        self._client.log_batch(self._runs[run], metrics=metrics)

    def close(self) -> None:
        """End the runs that this tracker has started."""
        for run in self._started:
            self._client.set_terminated(run)

    def _start(self, run: str) -> str:
        """Return the id of the active run, or else of a new one."""
        active = self._library.active_run()
        if active is not None:
            return str(active.info.run_id)
        # Names of experiments are unique, so an existing experiment must be looked up.
        experiment = self._client.get_experiment_by_name(self._experiment)
        identifier = experiment.experiment_id if experiment else self._client.create_experiment(self._experiment)
        self._started.append(str(self._client.create_run(identifier, run_name=run).info.run_id))
        return self._started[-1]
