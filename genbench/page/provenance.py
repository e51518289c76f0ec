"""Where numbers come from: the command that makes them again, and what each result was made of."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from genbench.plugs import registry
from genbench.plugs.specs import Spec
from genbench.results import Result


class Record(NamedTuple):
    """What one result was made of, as the report writes it."""

    name: str
    seed: int
    trained: str
    chosen: str
    samples: str
    drawn: str
    made: str
    device: str
    command: str


def record(name: str, result: Result, out: str) -> Record:
    """Return the record of a result under the name that the table gives it."""
    training = result.training
    steps, seconds, chosen = (training.steps, training.seconds, training.chosen_step) if training else (None, 0.0, 0)
    trained = f"{steps:,} steps" if steps else "–"
    return Record(
        name,
        result.replicate_seed,
        f"{trained}, {seconds:,.0f} s" if steps and seconds else trained,
        f"{chosen:,}" if chosen else "–",
        result.generated.fingerprint[:12],
        "–" if result.generated.count is None else f"{result.generated.count:,}",
        result.created[:16],
        result.device,
        command(result, out),
    )


def run_commands(results: Sequence[Result], out: str) -> list[str]:
    """Return the commands that make all results of one benchmark again, one a budget; scored ones each by its own."""
    trained = [result for result in results if result.training is not None and result.benchmark]
    budgets = dict.fromkeys(result.budget or "full" for result in trained)
    commands = [_run([one for one in trained if (one.budget or "full") == budget], out) for budget in budgets]
    return commands + [command(result, out) for result in results if result.training is None]


def command(result: Result, out: str) -> str:
    """Return the command that makes one result again."""
    if result.training is not None and result.benchmark:
        return _run([result], out)
    words = ["genbench", "score", "--samples", result.generated.name]
    if result.benchmark:
        words += ["--benchmark", result.benchmark.rpartition("@")[0]]
    else:
        words += ["--reference", result.reference.name] if result.reference else []
        words += ["--features", next(iter(result.extractors))]
        metrics = [_spec(metric) for metric in result.metrics]
        words += ["--metrics", ",".join(dict.fromkeys(filter(None, metrics)))] if all(metrics) and metrics else []
        words += ["--count", str(result.generated.count)]
    words += ["--seed", str(result.seed)] if result.seed else []
    return shlex.join(words)


def versions(results: Sequence[Result]) -> str:
    """Return the versions of what made results: ``genbench 0.1.0, torch 2.15.0``, several where they differ."""
    names = ("genbench", "torch", "numpy", "python")
    parts = []
    for name in names:
        found = dict.fromkeys(result.versions[name] for result in results if name in result.versions)
        if found:
            parts.append(f"{name} {' and '.join(found)}")
    return ", ".join(parts)


def _run(results: Sequence[Result], out: str) -> str:
    budget = results[0].budget or "full"
    seeds = sorted({result.replicate_seed for result in results})
    name = (results[0].benchmark or "").rpartition("@")[0]
    samplers = ",".join(dict.fromkeys(result.name for result in results))
    words = ["genbench", "run", name, "--samplers", samplers, "--repeats", str(seeds[-1] - seeds[0] + 1)]
    words += ["--seed", str(seeds[0])] if seeds[0] else []
    words += ["--budget", budget] if budget != "full" else []
    return shlex.join([*words, "--out", out])


def _spec(metric: str) -> str:
    """Return ``prdc,k=5`` for ``DensityCoverage(k=5)``, or nothing for a guest's."""
    plugs = {entry.value.rpartition(":")[2]: name for name, entry in reversed(registry.installed("metrics").items())}
    try:
        call = ast.parse(metric, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return ""
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        return ""
    return str(Spec(plugs[call.func.id], options)) if call.func.id in plugs else ""
