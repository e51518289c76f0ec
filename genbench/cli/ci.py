"""The verb ``ci``: write the workflow and the baseline of a gate into a repository."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from genbench.cli.gate import write_output
from genbench.cli.options import NamedPath, writable
from genbench.cli.printing import say
from genbench.errors import InputError, UsageError
from genbench.tables.line_width import wrapped

TEMPLATES = {
    "github": {"github.yml": ".github/workflows/genbench.yml", "action.yml": ".github/actions/gate/action.yml"},
    "gitlab": {"gitlab.yml": ".gitlab/genbench-gate.yml"},
}
"""The files that each host needs, in the repository, by the names of their templates."""

UNUSABLE = {"github": r"\$\{\{", "gitlab": r"\$|%\w+%|%%"}
"""What each host replaces in the values of a workflow."""
CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""Characters that YAML or the lines of xargs cannot hold, and bytes that are no text."""

NEXT = {
    "github": "open a pull request",
    "gitlab": "add `include: {local: .gitlab/genbench-gate.yml}` to .gitlab-ci.yml and open a merge request",
}
"""What to do after the commit."""


class PassesOn(click.Command):
    """A command whose unknown options belong to the command that it runs."""

    ignore_unknown_options = True


@click.group(name="ci", short_help="Set up a gate on GitHub or GitLab.")
def ci_group() -> None:
    """Set up a gate in the repository of a model, on GitHub or GitLab."""


@ci_group.command(name="init", cls=PassesOn, short_help="Write a workflow and its baseline.")
@click.argument("score", nargs=-1, required=True, type=click.UNPROCESSED, metavar="ARGUMENTS...")
@click.option("--host", type=click.Choice(list(TEMPLATES)), default="github", show_default=True)
@click.option("--baseline", default="baseline.jsonl", show_default=True, help="File of the baseline in the repository.",
              type=NamedPath(dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--max-increase", metavar="X|X%", help="How much worse than this baseline it may be; see genbench gate.")
@click.pass_context
def ci_init(ctx: click.Context, score: tuple[str, ...], host: str, baseline: Path, max_increase: str | None) -> None:
    """Score a model as it is now, and write the workflow that gates it against this baseline.

    Run it in the top folder of the repository. The arguments are those of `genbench score`; the workflow scores
    with the same ones. No file is replaced.

    \b
    genbench ci init --sampler my_models:Blobs --benchmark digits --name blobs
    genbench ci init out/ real/ --features efficientnet-lite0 --host gitlab
    """
    # everything is refused before the long work
    _refuse_own_options(score)
    allowed = [] if max_increase is None else ["--max-increase", max_increase]
    baseline = _in_repository(baseline)
    written = workflow_files(host, score, baseline, allowed)
    existing = [str(path) for path in (*written, baseline) if path.exists()]
    if existing:
        exist, them = ("exists already and is", "it") if len(existing) == 1 else ("exist already and are", "them")
        raise InputError(
            f"{' and '.join(existing)} {exist} not replaced; remove {them} first, or choose another --baseline."
        )
    for path in (*written, baseline):
        writable(path)
    try:
        _score_and_check(ctx, score, baseline, allowed)
        for path, text in written.items():
            write_output(path, text, "w")
    except BaseException:
        # the next run would refuse to replace them
        for path in (*written, baseline):
            with suppress(OSError):
                path.unlink()
        raise
    # what a person types now, one path a line
    paths = [shlex.quote(str(path)) for path in (baseline, *written)]
    say("\n".join(["", "Written. Next:", "  git add " + " \\\n    ".join(paths), '  git commit -m "Gate the model"']))
    say(wrapped(f"Then {NEXT[host]}."))


def workflow_files(host: str, score: Sequence[str], baseline: Path, gate: Sequence[str] = ()) -> dict[Path, str]:
    """Return the path in the repository and the text of each file that a gate on ``host`` needs.

    ``score`` and ``gate`` are arguments of these verbs, and ``baseline`` is a file of results in the repository.
    """
    # GitLab has warnings; on GitHub an undecided gate passes, with an annotation
    gate = [*(("--undecided", "pass") if host == "github" else ()), *gate]
    words = {"score": shlex.join(score), "gate": shlex.join(gate), "baseline": baseline.as_posix()}
    for text in words.values():
        found = re.search(f"{UNUSABLE[host]}|{CONTROL}", text)
        if found:
            raise UsageError(f"{found[0]!r} in {text!r} would not reach genbench unchanged on {host}; leave it out.")
    texts = {}
    for name, path in TEMPLATES[host].items():
        text = files("genbench").joinpath("cli", "workflows", name).read_text(encoding="utf-8")
        # a text in JSON is a text in YAML, too
        texts[Path(path)] = re.sub(
            r"\{\{(score|gate|baseline)\}\}", lambda mark: json.dumps(words[mark[1]], ensure_ascii=False), text
        )
    return texts


def _score_and_check(ctx: click.Context, score: Sequence[str], baseline: Path, allowed: Sequence[str]) -> None:
    """Write the baseline. A model that cannot be scored raises, and one that the gate would refuse each time."""
    run: Callable[..., Any] = partial(ctx.find_root().command.main, prog_name="genbench", standalone_mode=False)
    run(["score", *score, "--to", str(baseline), "--quiet"])
    say("")
    # a result passes against itself
    if run(["gate", str(baseline), "--against", str(baseline), *allowed]):
        raise InputError("The result is no baseline, because it fails against itself; score another model.")


def _in_repository(path: Path) -> Path:
    """Return a path as seen from the working folder. Raises InputError if it lies outside."""
    folder, place = Path.cwd().resolve(), path.expanduser().resolve()
    if not place.is_relative_to(folder):
        raise InputError(f"{path} is outside of this folder, so the workflow cannot read it; choose a path inside.")
    return place.relative_to(folder)


def _refuse_own_options(score: tuple[str, ...]) -> None:
    """Raise UsageError if the arguments of ``score`` say where results go."""
    given = sorted({word.partition("=")[0] for word in score} & {"--to", "--json", "--dry-run"})
    if given:
        raise UsageError(f"{', '.join(given)}: `ci init` itself writes the result to --baseline; leave it out.")
