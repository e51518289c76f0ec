"""``python -m tests.speed``: time genbench and its peers stage by stage; print tables and write reports/speed.md."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.speed.growth import Growth, measure_growth
from tests.speed.material import Sizes
from tests.speed.memory import peaks_of_all
from tests.speed.report import growth_table, load_text, machine, stage_table, written_by_hand
from tests.speed.stages import STAGES

QUICK = Sizes(count=32, rows=2500, batches=1)
CHOSEN = [name for name, stage in STAGES.items() if stage.chosen]

GROWTH_MINUTES = 1.0
"""Estimated duration of the growth table on two idle cores."""


def main() -> None:
    """Run all contestants in turn, several times, and write the report."""
    options = _parse_options()
    stages = {name: STAGES[name] for name in (STAGES if options.stages == ["all"] else options.stages)}
    sizes = QUICK if options.quick else Sizes(max(stage.count for stage in stages.values()))
    parts = [f"# Speed compared with the peers\n\n`{_command()}`\n\n{machine()}\n", _conditions(options, sizes)]
    by_hand = written_by_hand(options.out)
    loads = [os.getloadavg()[0]]

    def add(text: str) -> None:
        """Print a part and write all parts so far, so that an interrupted run keeps its results."""
        print(text, flush=True)
        parts.append(text)
        whole = [*parts[:2], load_text(loads) + "\n", *parts[2:], *by_hand]
        options.out.write_text("\n".join(whole), encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _make(root, sizes, options.images)
        for name, stage in stages.items():
            of_stage = replace(sizes, count=min(sizes.count, stage.count))
            runs: dict[str, list[dict[str, Any]]] = {contestant: [] for contestant in stage.contestants}
            for number in range(options.repeats):
                for contestant, results in runs.items():
                    if contestant not in stage.slow or number < options.slow_repeats:
                        results += _run(name, contestant, root, of_stage)
                        loads.append(os.getloadavg()[0])
            add(stage_table(stage, runs, of_stage))
        if options.growth:
            growths: list[Growth] = list(measure_growth(root, options.growth, options.most_pairs))
            add(growth_table(growths))
    print(f"written: {options.out}", file=sys.stderr)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.speed",
        description=__doc__,
        epilog=f"Estimated on two idle cores: {_minutes(CHOSEN) + GROWTH_MINUTES:.0f} minutes by default, "
        f"{_minutes(list(STAGES)) + GROWTH_MINUTES:.0f} with --stages all. In minutes: "
        f"{', '.join(f'{name} {stage.minutes:g}' for name, stage in STAGES.items())}, growth {GROWTH_MINUTES:g}.",
    )
    parser.add_argument("--repeats", type=int, default=5, help="number of rounds, in which the contestants take turns")
    parser.add_argument("--slow-repeats", type=int, default=1,
                        help="number of rounds of the contestants that take long")  # fmt: skip
    parser.add_argument("--images", type=Path, help="folder of images of one size (default: synthetic images)")
    others = ", ".join(name for name in STAGES if name not in CHOSEN)
    parser.add_argument("--stages", nargs="+", choices=[*STAGES, "all"], default=CHOSEN, metavar="STAGE",
                        help=f"stages to run (default: {', '.join(CHOSEN)}); all, or of {others}")  # fmt: skip
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10_000, 100_000], metavar="N",
                        help="numbers of samples for the growth table; without a number, leave it out")  # fmt: skip
    parser.add_argument("--most-pairs", type=int, default=10_000, help="largest number of samples for metrics of pairs")
    parser.add_argument("--quick", action="store_true", help="a short trial run with small sizes")
    parser.add_argument("--out", type=Path, default=Path("reports/speed.md"))
    return parser.parse_args()


def _minutes(names: Sequence[str]) -> float:
    return sum(STAGES[name].minutes for name in names)


def _command() -> str:
    return shlex.join(["python", "-m", "tests.speed", *sys.argv[1:]])


def _conditions(options: argparse.Namespace, sizes: Sizes) -> str:
    """Return how the figures are measured."""
    slow = min(options.slow_repeats, options.repeats)
    return (
        f"Network: {32 * sizes.batches} images. Comparison of features: {sizes.rows:,} rows of 2,048 numbers. Each "
        f"value is the median of {options.repeats} runs, or of {slow} where a table says so. Contestants run in turn, "
        "each in its own process; a ratio compares runs of the same round and is shown with its range. Peers run with "
        "their defaults, and all use the same random state dict. Memory is that of a process and its child processes "
        "together. Shared pages count once; they include the libraries, of which torch alone takes half a GB.\n"
    )


def _make(root: Path, sizes: Sizes, images: Path | None) -> None:
    """Write the material in another process; importing torch here would add to the memory of the contestants."""
    folder = [str(images)] if images else []
    command = [sys.executable, "-m", "tests.speed.material", str(root), json.dumps(asdict(sizes)), *folder]
    if code := subprocess.run(command, check=False).returncode:  # the process has printed the reason
        raise SystemExit(code)


def _run(stage: str, contestant: str, root: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """Run one contestant once; return its result in a list, or an empty list if it is not installed."""
    command = [sys.executable, "-m", "tests.speed.child", stage, contestant, str(root), json.dumps(asdict(sizes))]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        peak, peak_of_descendants = peaks_of_all(child)
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{stage}: {contestant} failed\n{errors.read()[-3000:]}")
        assert child.stdout is not None
        result = json.loads(child.stdout.read())
    if "absent" in result:
        print(f"{stage}: {contestant} skipped, {result['absent']} is not installed", file=sys.stderr)
        return []
    result["megabytes"] = max(result["megabytes"], peak_of_descendants if result["command"] else peak)
    print(f"{stage}: {contestant}: {result['seconds']:.2f} s, {result['value']}", file=sys.stderr)
    return [result]


if __name__ == "__main__":
    main()
