"""A Result, sent to the tracker that people already use."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from genbench.errors import GenbenchError, PlugError, guest_error
from genbench.files.folders import result_folder, slug
from genbench.plugs import registry
from genbench.plugs.contracts import Tracker
from genbench.results import Result


def log_result(result: Result, to: str | Tracker, *, step: int | None = None) -> None:
    """Send every number of a result, standard errors included, and what decides them.

    ``to`` is a spec (``"tensorboard,folder=runs/tb"``, ``"wandb,project=mine"``, ``"mlflow,experiment=mine"``,
    ``"my.module:MyTracker"``), opened and closed here, or a Tracker, which stays open. ``step`` is, if not given, the
    chosen step of a sampler that ``run`` trained. ``frechet_distance@digits`` is called ``digits/frechet_distance``
    there. Raises UsageError for unknown names and options and where the library is not installed, PlugError where the
    tracker raises.
    """
    if isinstance(to, str):
        with closing(open_tracker(to)) as tracker:
            log_result(result, tracker, step=step)
        return
    chosen = result.training.chosen_step if result.training and result.training.steps else None
    values = {_tag(key): value for key, value in result.values.items()}
    try:
        to.log(_run(result), values, step=chosen if step is None else step, about=_about(result))
    except GenbenchError:
        raise
    except Exception as error:
        raise guest_error(f"The tracker {type(to).__name__}", error) from error


def open_tracker(to: str | Tracker) -> Tracker:
    """Return the tracker that a spec names, or the one that is given. Raises as ``log_result`` does."""
    opened = registry.load("trackers", to) if isinstance(to, str) else to
    if not isinstance(opened, Tracker):
        raise PlugError(f"{to!r} is no tracker: it needs log(run, values, step=, about=) and close().")
    return opened


def _run(result: Result) -> str:
    """Name a run: as the folder that ``genbench run`` keeps, or after the subject."""
    if result.benchmark is None or result.training is None:
        return slug(result.name).strip(".") or "samples"
    recipe = result.benchmark.partition("@")[0]
    return result_folder(Path(), recipe, result.name, result.replicate_seed).as_posix()


def _about(result: Result) -> dict[str, str]:
    """Say what decides the numbers, by names that every tracker takes."""
    fields = result.training.to_dict() if result.training else {}
    training = {name: fields.get(name) for name in ("budget", "chosen_step", "chosen_by")}
    about = {
        "name": result.name,
        "created": result.created,
        "genbench": result.versions.get("genbench"),
        "generated": result.generated.fingerprint[:12],
        "protocol": result.protocol_fingerprint,
        "seed": result.seed,
        **training,
        **result.protocol,
    }
    return {_tag(name): str(value) for name, value in about.items() if value is not None}


def _tag(key: str) -> str:
    """Write the space first, so that trackers group by it, and nothing that one of them refuses."""
    name, _, space = key.partition("@")
    return "/".join(re.sub(r"[^\w.-]+", "_", part, flags=re.ASCII) for part in (space, name) if part)
