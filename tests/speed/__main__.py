"""``python -m tests.speed``: genbench beside its peers, stage by stage; prints tables and writes reports/speed.md."""

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

from tests.speed.growth import Grown, grow
from tests.speed.material import Sizes
from tests.speed.memory import peak_of_all
from tests.speed.report import growth_table, load_text, machine, stage_table
from tests.speed.stages import STAGES

QUICK = Sizes(count=32, rows=2500, batches=1)


def main() -> None:
    """Measure everybody in turn, again and again, and report."""
    asked = _asked()
    sizes = QUICK if asked.quick else Sizes(count=asked.count)
    parts = [f"# Speed beside the peers\n\n`{_command()}`\n\n{machine()}\n"]
    parts.append(
        f"{sizes.count} images a side end to end, {32 * sizes.batches} through the network, {sizes.rows:,} rows of "
        f"2,048 where features are compared. Medians of {asked.repeats}; contestants run in turn, each in a process of "
        "its own; ratios are those of neighbouring runs, with their range. Peers run with their defaults, and all with "
        "one random state dict. Memory is what a process and those that it starts hold together: shared pages count "
        "once, and so do the libraries, of which torch alone maps and fills half a GB.\n"
    )
    loads = [os.getloadavg()[0]]

    def add(text: str) -> None:
        """Print a part and write all so far: a run of an hour that is cut off has not been for nothing."""
        print(text, flush=True)
        parts.append(text)
        asked.out.write_text("\n".join([*parts[:2], load_text(loads) + "\n", *parts[2:]]), encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _make(root, sizes, asked.images)
        for name in asked.stages:
            runs: dict[str, list[dict[str, Any]]] = {one: [] for one in STAGES[name].contestants}
            for _ in range(asked.repeats):
                for contestant, found in runs.items():
                    found += _run(name, contestant, root, sizes)
                    loads.append(os.getloadavg()[0])
            add(stage_table(STAGES[name], runs))
        if asked.growth:
            grown: list[Grown] = list(grow(root, asked.growth, asked.most_pairs))
            add(growth_table(grown))
    print(f"written: {asked.out}", file=sys.stderr)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="how often everybody runs")
    parser.add_argument("--count", type=int, default=Sizes.count, help="images a side, end to end")
    parser.add_argument("--images", type=Path, help="a folder of images of one size, instead of made ones")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE",
                        help=f"some of {', '.join(STAGES)}")  # fmt: skip
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10_000, 30_000, 100_000], metavar="N",
                        help="numbers of samples; nothing after it leaves growth out")  # fmt: skip
    parser.add_argument("--most-pairs", type=int, default=30_000, help="metrics of pairs up to this many samples")
    parser.add_argument("--quick", action="store_true", help="a smoke run: little of everything")
    parser.add_argument("--out", type=Path, default=Path("reports/speed.md"))
    return parser.parse_args()


def _command() -> str:
    return shlex.join(["python", "-m", "tests.speed", *sys.argv[1:]])


def _make(root: Path, sizes: Sizes, images: Path | None) -> None:
    """Make the material in another process: torch in this one would count as memory of those that it starts."""
    given = [str(images)] if images else []
    command = [sys.executable, "-m", "tests.speed.material", str(root), json.dumps(asdict(sizes)), *given]
    if left := subprocess.run(command, check=False).returncode:  # it has said why
        raise SystemExit(left)


def _run(stage: str, contestant: str, root: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """Run one contestant once; nothing where it is not installed."""
    command = [sys.executable, "-m", "tests.speed.child", stage, contestant, str(root), json.dumps(asdict(sizes))]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        most = peak_of_all(child)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{stage}: {contestant} failed\n{said.read()[-3000:]}")
        assert child.stdout is not None
        found = json.loads(child.stdout.read())
    if "absent" in found:
        print(f"{stage}: {contestant} skipped, {found['absent']} is not installed", file=sys.stderr)
        return []
    found["megabytes"] = max(found["megabytes"], most)
    print(f"{stage}: {contestant}: {found['seconds']:.2f} s, {found['found']}", file=sys.stderr)
    return [found]


if __name__ == "__main__":
    main()
