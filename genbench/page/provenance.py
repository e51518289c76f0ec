"""How each result was made, and the commands that make the results again."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from genbench.plugs import registry
from genbench.plugs.contracts import WITH_TRAIN
from genbench.plugs.specs import Spec
from genbench.results import Result
from genbench.tables.numbers import set_aside


class ProvenanceRow(NamedTuple):
    """How one result was made, as text for the report. A dash means that a field does not apply."""

    name: str
    seed: int
    trained: str
    """Number of training steps and their duration."""
    chosen: str
    """Step of the chosen checkpoint."""
    samples: str
    """First digits of the fingerprint of the samples."""
    number_of_samples: str
    """With what the source holds and was not used, in parentheses."""
    created: str
    commit: str
    device: str
    command: str


def provenance_row(name: str, result: Result, out: str) -> ProvenanceRow:
    """Return how a result was made. ``name`` is the sampler's name in the table, ``out`` the folder of the results."""
    # samplers without training have a dash instead of steps
    training = result.training
    steps, seconds, chosen = (training.steps, training.seconds, training.chosen_step) if training else (None, 0.0, 0)
    trained = f"{steps:,} steps" if steps else "–"
    return ProvenanceRow(
        name,
        result.replicate_seed,
        f"{trained}, {seconds:,.0f} s" if steps and seconds else trained,
        f"{chosen:,}" if chosen else "–",
        result.generated.fingerprint[:12],
        ("–" if result.generated.count is None else f"{result.generated.count:,}") + set_aside(result.generated),
        result.created[:16],
        result.commit or "–",
        result.device,
        command(result, out) or "made in Python",
    )


def run_commands(results: Sequence[Result], out: str) -> list[str]:
    """Return the commands that make all results of one benchmark again.

    Results of ``run`` with the same budget need one command; every other result has its own, unless it was made in
    Python.
    """
    # one `genbench run` trains several samplers and seeds, but with one budget
    trained = [result for result in results if result.training is not None and result.benchmark]
    budgets = dict.fromkeys(result.budget or "full" for result in trained)
    commands = [
        _run_command([result for result in trained if (result.budget or "full") == budget], out) for budget in budgets
    ]
    # a command may have made several results
    scored = [command(result, out) for result in results if result.training is None]
    return list(dict.fromkeys([*commands, *filter(None, scored)]))


def command(result: Result, out: str) -> str:
    """Return the command that makes one result again; empty if it was made from an object in Python."""
    # results of `run` belong to a benchmark and have a training record
    if result.training is not None and result.benchmark:
        return _run_command([result], out)
    # what was typed; older results have the path or spec alone, and without it nobody knows what was scored
    if result.command.startswith("genbench score") or not result.spec:
        return result.command
    words = ["genbench", "score", "--samples", result.spec]
    words += ["--name", result.name] if result.spec != result.name else []
    # a benchmark fixes the reference, the extractor, the metrics, the count and the classes
    if result.benchmark:
        words += ["--benchmark", result.benchmark.rpartition("@")[0]]
    else:
        words += ["--reference", result.reference.name] if result.reference else []
        words += ["--train", result.train.name] if result.train else []
        # without --metrics, a panel is scored alone; if the spec of a metric is unknown, all metrics are computed
        placed = [pair for pair in result.placed_metrics if not _panel_words(pair[0], result)]
        # only the extractor of --features may have options, so further ones with options are left out
        names = [extractor for _, extractor in placed]
        features = next((name for name in names if "," in name), next(iter(result.extractors), ""))
        usable = [(metric, name) for metric, name in placed if name == features or "," not in name]
        metrics = [_metric_spec(metric, "" if name == features else name) for metric, name in usable]
        words += ["--features", features] if metrics else []
        words += ["--metrics", ",".join(dict.fromkeys(filter(None, metrics)))] if all(metrics) and metrics else []
        words += ["--count", str(result.generated.count)]
        words += ["--labels", result.label_rule] if result.label_rule not in ("", "equal") else []
    words += [word for metric in result.metrics for word in _panel_words(metric, result)]
    words += ["--seed", str(result.seed)] if result.seed else []
    return shlex.join(words)


def software_versions(results: Sequence[Result]) -> str:
    """Return the versions of the software, ``genbench 0.1.0, torch 2.15.0``; all of them if results differ."""
    names = ("genbench", "torch", "numpy", "python")
    parts = []
    for name in names:
        used = dict.fromkeys(result.versions[name] for result in results if name in result.versions)
        if used:
            parts.append(f"{name} {' and '.join(used)}")
    return ", ".join(parts)


def _run_command(results: Sequence[Result], out: str) -> str:
    """Return one ``genbench run`` for results with the same budget. Options with their default value are left out."""
    # --repeats N trains the seeds SEED to SEED + N - 1
    budget = results[0].budget or "full"
    seeds = sorted({result.replicate_seed for result in results})
    name = (results[0].benchmark or "").rpartition("@")[0]
    samplers = ",".join(dict.fromkeys(result.name for result in results))
    words = ["genbench", "run", name, "--samplers", samplers, "--repeats", str(seeds[-1] - seeds[0] + 1)]
    words += ["--seed", str(seeds[0])] if seeds[0] else []
    words += ["--budget", budget] if budget != "full" else []
    return shlex.join([*words, "--out", out])


def _metric_spec(metric: str, extractor: str) -> str:
    """Return ``prdc@digits,k=5`` for ``DensityCoverage(k=5)``; empty if no installed metric has this class."""
    # several names may stand for one class: reversed, so that the first name in alphabetical order wins
    plugs = {entry.value.rpartition(":")[2]: name for name, entry in reversed(registry.installed("metrics").items())}
    name, options = _recorded_call(metric.removesuffix(WITH_TRAIN))
    return str(Spec(plugs[name], options, extractor or None)) if name in plugs else ""


def _panel_words(metric: str, result: Result) -> list[str]:
    """Return the options of a panel, ``--panel offline --floor held_out``; none if the metric is no panel."""
    name, record = _recorded_call(metric)
    if name != "PanelScore":
        return []
    # a list of extractors has no name that could be typed
    panel, distance, floor_from = (str(record.get(key, "")) for key in ("panel", "metric", "floor_from"))
    words = ["--panel", panel if panel in registry.installed("panels") else ",".join(record.get("extractors", ()))]
    words += ["--panel-metric", distance] if distance not in ("", "fd") else []
    # half of the reference is the default
    floors = {"held-out samples": result.floor.name if result.floor else "", "published": "published"}
    return words + (["--floor", floors[floor_from]] if floors.get(floor_from) else [])


def _recorded_call(metric: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of the repr that a result has of a metric; empty if it is no such text."""
    # only plain literals are evaluated
    try:
        call = ast.parse(metric, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return "", {}
        return call.func.id, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        return "", {}
