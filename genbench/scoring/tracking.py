"""Send results to an experiment tracker: TensorBoard, W&B, MLflow, Trackio or a guest's."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from genbench.errors import PlugError, guest_code
from genbench.files.folder_paths import result_folder, slug
from genbench.plugs.contracts import Tracker
from genbench.plugs.registry import load
from genbench.results import Result


def log_result(result: Result, to: str | Tracker, *, step: int | None = None) -> None:
    """Send every number of a result, including standard errors, and the protocol as text.

    ``to`` is a spec (``"tensorboard,folder=runs/tb"``, ``"wandb,project=mine"``, ``"mlflow,experiment=mine"``,
    ``"my.module:MyTracker"``), which is opened and closed here, or a Tracker, which stays open. ``step`` defaults to
    the chosen step of a sampler that ``run`` trained. The tracker's name for ``frechet_distance@digits`` is
    ``digits/frechet_distance``. Raises UsageError for unknown names and options and if the library is not installed,
    PlugError if the tracker raises.
    """
    if isinstance(to, str):
        with closing(open_tracker(to)) as tracker:
            log_result(result, tracker, step=step)
        return
    # a trained sampler is logged at its chosen checkpoint
    training = result.training
    if step is None and training is not None and training.steps is not None:
        step = training.chosen_step
    # errors of genbench are passed on; everything else comes from the guest
    values = {_tag(key): value for key, value in result.values.items()}
    with guest_code(f"The tracker {type(to).__name__}"):
        to.log(_run_name(result), values, step=step, about=_protocol_text(result))


def open_tracker(to: str | Tracker) -> Tracker:
    """Return the tracker that a spec names, or the given one. Raises UsageError or PlugError as ``log_result`` does."""
    opened = load("trackers", to) if isinstance(to, str) else to
    if not isinstance(opened, Tracker):
        raise PlugError(f"{to!r} is not a tracker: it needs log(run, values, step=, about=) and close().")
    return opened


def _run_name(result: Result) -> str:
    """Return the name of the tracker's run: the folder of a trained sampler, or the name of the subject."""
    if result.benchmark is None or result.training is None:
        return slug(result.name).strip(".") or "samples"
    benchmark = result.benchmark.partition("@")[0]
    return result_folder(Path(), benchmark, result.name, result.replicate_seed).as_posix()


def _protocol_text(result: Result) -> dict[str, str]:
    """Return everything that decides the numbers, under names that every tracker accepts."""
    # fields that do not apply are None and are left out
    training = result.training
    fields = {
        "name": result.name,
        "created": result.created,
        "genbench": result.versions.get("genbench"),
        "generated": result.generated.fingerprint[:12],
        "protocol": result.protocol_fingerprint,
        "seed": result.seed,
        "budget": training.budget if training else None,
        "chosen_step": training.chosen_step if training and training.steps is not None else None,
        "chosen_by": training.chosen_by if training and training.steps is not None else None,
        **result.protocol,
    }
    return {_tag(name): str(value) for name, value in fields.items() if value is not None}


def _tag(key: str) -> str:
    """Return a key with the extractor first, because trackers group by it, and without special characters."""
    name, _, extractor = key.partition("@")
    return "/".join(re.sub(r"[^\w.-]+", "_", part, flags=re.ASCII) for part in (extractor, name) if part)
