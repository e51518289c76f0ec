"""``python -m tests.speed``: time genbench and its peers stage by stage; print tables and write reports/speed.md."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.speed.growth import Growth, measure_growth
from tests.speed.material import Sizes
from tests.speed.memory import peak_of_all
from tests.speed.report import growth_table, load_text, machine, stage_table
from tests.speed.stages import STAGES

QUICK = Sizes(count=32, rows=2500, batches=1)


def main() -> None:
    """Run all contestants in turn, several times, and write the report."""
    options = _parse_options()
    sizes = QUICK if options.quick else Sizes(count=options.count)
    parts = [f"# Speed compared with the peers\n\n`{_command()}`\n\n{machine()}\n"]
    parts.append(
        f"End to end: {sizes.count} images on each side. Network: {32 * sizes.batches} images. Comparison of features: "
        f"{sizes.rows:,} rows of 2,048 numbers. Each value is the median of {options.repeats} runs. Contestants run "
        "in turn, each in its own process; a ratio compares neighbouring runs and is shown with its range. Peers run "
        "with their defaults, and all use the same random state dict. Memory is that of a process and its child "
        "processes together. Shared pages count once; they include the libraries, of which torch alone takes half a "
        "GB.\n"
    )
    loads = [os.getloadavg()[0]]

    def add(text: str) -> None:
        """Print a part and write all parts so far, so that an interrupted run keeps its results."""
        print(text, flush=True)
        parts.append(text)
        options.out.write_text("\n".join([*parts[:2], load_text(loads) + "\n", *parts[2:]]), encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _make(root, sizes, options.images)
        for name in options.stages:
            runs: dict[str, list[dict[str, Any]]] = {contestant: [] for contestant in STAGES[name].contestants}
            for _ in range(options.repeats):
                for contestant, results in runs.items():
                    results += _run(name, contestant, root, sizes)
                    loads.append(os.getloadavg()[0])
            add(stage_table(STAGES[name], runs))
        if options.growth:
            growths: list[Growth] = list(measure_growth(root, options.growth, options.most_pairs))
            add(growth_table(growths))
    print(f"written: {options.out}", file=sys.stderr)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="number of runs of each contestant")
    parser.add_argument("--count", type=int, default=Sizes.count, help="number of images on each side, end to end")
    parser.add_argument("--images", type=Path, help="folder of images of one size (default: synthetic images)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE",
                        help=f"stages to run, of {', '.join(STAGES)} (default: all)")  # fmt: skip
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10_000, 30_000, 100_000], metavar="N",
                        help="numbers of samples for the growth table; without a number, leave it out")  # fmt: skip
    parser.add_argument("--most-pairs", type=int, default=30_000, help="largest number of samples for metrics of pairs")
    parser.add_argument("--quick", action="store_true", help="a short trial run with small sizes")
    parser.add_argument("--out", type=Path, default=Path("reports/speed.md"))
    return parser.parse_args()


def _command() -> str:
    return shlex.join(["python", "-m", "tests.speed", *sys.argv[1:]])


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
        peak = peak_of_all(child)
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{stage}: {contestant} failed\n{errors.read()[-3000:]}")
        assert child.stdout is not None
        result = json.loads(child.stdout.read())
    if "absent" in result:
        print(f"{stage}: {contestant} skipped, {result['absent']} is not installed", file=sys.stderr)
        return []
    result["megabytes"] = max(result["megabytes"], peak)
    print(f"{stage}: {contestant}: {result['seconds']:.2f} s, {result['value']}", file=sys.stderr)
    return [result]


if __name__ == "__main__":
    main()
