"""Send results to trackers: TensorBoard's files are read back, the others are also tested if they are installed.

Tests cannot reach their servers, so W&B runs offline, and MLflow and Trackio store their runs in a folder. Most tests
replace these libraries by modules that record their calls.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import genbench
from genbench.cli import main
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.contracts import Tracker
from genbench.scoring.tracking import open_tracker
from tests.helpers.made_results import made


class RecordingTracker:
    """A tracker that records its calls."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, float], int | None, dict[str, str]]] = []

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        self.rows.append((run, dict(values), step, dict(about)))

    def close(self) -> None:
        raise AssertionError("whoever opened a tracker must close it")


def read(folder: Path) -> Any:
    """Return the contents of a run's folder, as read by TensorBoard."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = events.EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_every_number_is_logged_with_its_error() -> None:
    tracker = RecordingTracker()
    result = made("gan", 4.0)
    genbench.log_result(result, tracker)
    ((_, values, _, _),) = tracker.rows
    assert sorted(values.values()) == sorted(result.values.values())
    assert values["digits/fd_error"] == 0.5


def test_the_provenance_is_logged_with_the_numbers() -> None:
    tracker = RecordingTracker()
    result = made("gan", 4.0)
    genbench.log_result(result, tracker)
    ((_, _, _, about),) = tracker.rows
    assert about["name"] == "gan"
    assert about["benchmark"] == "digits@1"
    assert about["protocol"] == result.protocol_fingerprint


def test_a_trained_result_is_logged_at_its_chosen_step() -> None:
    tracker = RecordingTracker()
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), tracker)
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), tracker, step=3)
    assert [step for _, _, step, _ in tracker.rows] == [700, 3]


def test_a_run_has_the_name_of_its_folder() -> None:
    tracker = RecordingTracker()
    genbench.log_result(made("gan", 4.0, seed=2), tracker)
    assert tracker.rows[0][0] == "digits/gan/seed-2"


@pytest.mark.parametrize("name", ["/data/out", "../out", "..", ""])
def test_the_name_of_a_run_stays_inside_the_folder(name: str) -> None:
    tracker = RecordingTracker()
    genbench.log_result(made(name, 4.0, benchmark=None), tracker)
    assert not Path(tracker.rows[0][0]).is_absolute()
    assert tracker.rows[0][0]
    assert ".." not in Path(tracker.rows[0][0]).parts


def test_the_message_about_an_unknown_tracker_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'tensorbord', did you mean 'tensorboard'\?"):
        open_tracker("tensorbord")


def test_the_message_about_an_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no option 'projekt', did you mean 'project'\?"):
        open_tracker("wandb,projekt=x")


@pytest.mark.parametrize(
    ("name", "module"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("tensorboard", "torch.utils.tensorboard")]
)
def test_the_message_about_a_missing_library_contains_the_command(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"pip install 'genbench\[{name}\]'"):
        open_tracker(name)


def test_a_folder_that_is_called_wandb_is_not_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    with pytest.raises(UsageError, match="wandb is not installed"):
        open_tracker("wandb")


def test_an_object_that_cannot_log_is_rejected() -> None:
    with pytest.raises(PlugError, match="is not a tracker"):
        open_tracker("math:pi")


def test_an_error_of_a_tracker_becomes_one_sentence() -> None:
    class Broken(RecordingTracker):
        def log(self, *args: Any, **more: Any) -> None:
            raise ConnectionError("no route")

    with pytest.raises(PlugError, match="tracker Broken raised ConnectionError: no route"):
        genbench.log_result(made("gan", 4.0), Broken())


def test_tensorboard_can_read_the_scalars(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), f"tensorboard,folder={tmp_path}")
    events = read(tmp_path / "digits" / "gan" / "seed-0")
    (point,) = events.Scalars("digits/fd")
    assert (point.step, point.value) == (700, 4.0)
    assert events.Scalars("digits/fd_error")[0].value == 0.5


def test_tensorboard_can_read_the_provenance(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    result = made("gan", 4.0)
    genbench.log_result(result, f"tensorboard,folder={tmp_path}")
    events = read(tmp_path / "digits" / "gan" / "seed-0")
    text = events.Tensors("about/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "digits@1" in text
    assert result.protocol_fingerprint in text


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another with tensorboard,folder="):
        open_tracker(f"tensorboard,folder={tmp_path / 'file' / 'runs'}")


class RecordingRun:
    """A run of W&B that records its calls."""

    def __init__(self, **started_with: Any) -> None:
        self.started_with = started_with
        self.rows: list[tuple[dict[str, float], int | None]] = []
        self.finished = False
        self.config = SimpleNamespace(update=lambda about, **_: started_with.update(about))

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        self.rows.append((values, step))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("wandb")
    module.run, module.started = None, []

    def init(**arguments: Any) -> RecordingRun:
        module.started.append(RecordingRun(**arguments))
        return module.started[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb_gets_a_run_with_its_config_and_numbers(wandb: Any) -> None:
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "wandb,project=mine")
    (run,) = wandb.started
    assert (run.started_with["project"], run.started_with["name"]) == ("mine", "digits/gan/seed-0")
    assert run.started_with["config"]["benchmark"] == "digits@1"
    ((values, step),) = run.rows
    assert (values["digits/fd"], step) == (4.0, 700)
    assert run.finished


def test_wandb_adds_to_the_active_run(wandb: Any) -> None:
    wandb.run = RecordingRun()
    genbench.log_result(made("gan", 4.0), "wandb", step=5)
    assert not wandb.started
    assert wandb.run.rows[0][1] == 5
    assert wandb.run.started_with["genbench"]["name"] == "gan"
    assert not wandb.run.finished


def test_wandb_stores_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "wandb,project=mine")
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()
    assert b"digits/fd_error" in content
    assert b"digits/gan/seed-0" in content


@pytest.fixture
def trackio(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace Trackio by a module that records its runs; the last one that was started is active, as in Trackio."""
    module: Any = ModuleType("trackio")
    context: Any = ModuleType("trackio.context_vars")
    context.current_run = ContextVar("current_run", default=None)
    module.started = []

    def init(**arguments: Any) -> RecordingRun:
        module.started.append(RecordingRun(**arguments))
        context.current_run.set(module.started[-1])
        return module.started[-1]

    module.init, module.current_run = init, context.current_run
    monkeypatch.setitem(sys.modules, "trackio", module)
    monkeypatch.setitem(sys.modules, "trackio.context_vars", context)
    return module


def test_trackio_gets_a_run_with_its_config_and_numbers(trackio: Any) -> None:
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "trackio,project=mine")
    (run,) = trackio.started
    assert (run.started_with["project"], run.started_with["name"]) == ("mine", "digits/gan/seed-0")
    assert run.started_with["space_id"] is None
    assert run.started_with["config"]["benchmark"] == "digits@1"
    ((values, step),) = run.rows
    assert (values["digits/fd"], step) == (4.0, 700)
    assert run.finished


def test_trackio_starts_a_run_for_each_result(trackio: Any) -> None:
    for name in ("gan", "vae"):
        genbench.log_result(made(name, 4.0), "trackio")
    assert [run.started_with["name"] for run in trackio.started] == ["digits/gan/seed-0", "digits/vae/seed-0"]
    assert [len(run.rows) for run in trackio.started] == [1, 1]


def test_trackio_adds_to_the_active_run(trackio: Any) -> None:
    active = RecordingRun()
    active.config = {}
    trackio.current_run.set(active)
    genbench.log_result(made("gan", 4.0), "trackio", step=5)
    assert not trackio.started
    assert active.rows[0][1] == 5
    assert active.config["genbench"]["name"] == "gan"
    assert not active.finished


def test_trackio_can_read_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "trackio,project=mine")
    (row,) = SQLiteStorage.get_logs("mine", "digits/gan/seed-0")
    assert (row["digits/fd"], row["digits/fd_error"], row["step"]) == (4.0, 0.5, 700)
    assert SQLiteStorage.get_run_config("mine", "digits/gan/seed-0")["benchmark"] == "digits@1"


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace MLflow by a module that records runs, by number, with their metrics and tags."""
    module: Any = ModuleType("mlflow")
    module.runs, module.experiments, module.active_run = {}, [], lambda: None

    class Client:
        def get_experiment_by_name(self, name: str) -> Any:
            return SimpleNamespace(experiment_id=name) if name in module.experiments else None

        def create_experiment(self, name: str) -> str:
            module.experiments.append(name)
            return name

        def create_run(self, experiment: str, run_name: str) -> Any:
            number = str(len(module.runs))
            module.runs[number] = {"experiment": experiment, "name": run_name, "metrics": [], "tags": {}, "open": True}
            return SimpleNamespace(info=SimpleNamespace(run_id=number))

        def log_batch(self, run: str, metrics: Any = (), tags: Any = ()) -> None:
            recorded = module.runs.setdefault(run, {"metrics": [], "tags": {}, "open": True})
            recorded["metrics"] += metrics
            recorded["tags"] |= dict(tags)

        def set_terminated(self, run: str) -> None:
            module.runs[run]["open"] = False

    entities: Any = ModuleType("mlflow.entities")
    entities.Metric, entities.RunTag = lambda *point: point, lambda *tag: tag
    module.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return module


def test_mlflow_gets_a_run_with_its_tags_and_numbers(mlflow: Any) -> None:
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "mlflow,experiment=mine")
    (run,) = mlflow.runs.values()
    assert (run["experiment"], run["name"], run["open"]) == ("mine", "digits/gan/seed-0", False)
    assert run["tags"]["benchmark"] == "digits@1"
    assert [(value, step) for name, value, _, step in run["metrics"] if name == "digits/fd"] == [(4.0, 700)]


def test_mlflow_creates_an_experiment_once(mlflow: Any) -> None:
    for name in ("gan", "vae"):
        genbench.log_result(made(name, 4.0), "mlflow,experiment=mine")
    assert mlflow.experiments == ["mine"]
    assert [run["name"] for run in mlflow.runs.values()] == ["digits/gan/seed-0", "digits/vae/seed-0"]


def test_mlflow_adds_to_the_active_run(mlflow: Any) -> None:
    mlflow.active_run = lambda: SimpleNamespace(info=SimpleNamespace(run_id="active"))
    genbench.log_result(made("gan", 4.0), "mlflow")
    assert list(mlflow.runs) == ["active"]
    assert mlflow.runs["active"]["open"]


def test_mlflow_can_read_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    genbench.log_result(made("gan", 4.0, steps=1000, chosen_step=700), "mlflow,experiment=mine")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert (run.info.run_name, run.info.status) == ("digits/gan/seed-0", "FINISHED")
    assert run.data.tags["benchmark"] == "digits@1"
    (point,) = client.get_metric_history(run.info.run_id, "digits/fd")
    assert (point.value, point.step) == (4.0, 700)


def test_score_sends_its_result(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8))
    words = f"score --samples {tmp_path}/x.npy --name mine --features pixels --metrics swd --reference digits"
    result = CliRunner().invoke(main, [*words.split(), "--log-to", f"tensorboard,folder={tmp_path}/tb"])
    assert result.exit_code == 0, result.output
    (run,) = (tmp_path / "tb").iterdir()
    assert run.name == "mine"
    assert "swd@pixels" in result.stdout
    assert any(math.isfinite(read(run).Scalars(tag)[0].value) for tag in read(run).Tags()["scalars"])


def test_run_sends_every_result(tmp_path: Path, wandb: Any) -> None:
    words = (
        f"run digits --samplers real,noise --repeats 2 --budget quick --jobs 1 --quiet --out {tmp_path} --log-to wandb"
    )
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    names = [run.started_with["name"] for run in wandb.started]
    assert names == [f"digits/{name}/seed-{seed}" for name in ("real", "noise") for seed in (0, 1)]


def test_a_mistyped_tracker_is_an_error_before_the_work() -> None:
    result = CliRunner().invoke(main, ["run", "digits", "--log-to", "wandv"])
    assert result.exit_code == 2
    assert "did you mean 'wandb'?" in result.stderr


def test_the_trackers_fulfil_the_contract(wandb: Any, mlflow: Any, trackio: Any) -> None:
    assert all(isinstance(open_tracker(name), Tracker) for name in ("wandb", "mlflow", "trackio"))
