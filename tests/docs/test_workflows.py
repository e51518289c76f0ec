"""The gate on GitHub and GitLab: each line of the workflows is run with bash, as the two hosts run it.

What the hosts themselves provide is replaced: their commands ``gh`` and ``curl`` by scripts that keep in files what
they are told, the actions of GitHub and ``pip`` by nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import numpy as np
import pytest

from genbench.cli.ci import workflow_files
from tests.docs.pages import ROOT, examples, page, section

yaml = pytest.importorskip("yaml")

ACTION = Path(".github/actions/gate/action.yml")
WORKFLOW = Path(".github/workflows/genbench.yml")
SCORE = ("made.npy", "real.npy", "--features", "pixels,size=4", "--metrics", "fd", "--name", "a model")

GH = """#!/bin/bash
# the runs, artifacts and comments of a repository, kept in $HOST
set -eu
keep() { for word in "$@"; do case $word in body=@*) cp "${word#body=@}" "$HOST/comment" ;; esac; done; }
case "$*" in
  "run list"*) [ ! -d "$HOST/artifact" ] || echo 17 ;;
  "run download"*) cp -r "$HOST/artifact" "${@: -1}" ;;
  api*POST*) keep "$@"; echo POST >> "$HOST/log" ;;
  api*PATCH*) keep "$@"; echo "PATCH $4" >> "$HOST/log" ;;
  api*) [ ! -f "$HOST/comment" ] || echo 5 ;;
  *) echo "unknown: $*" >&2; exit 9 ;;
esac
"""

CURL = """#!/bin/bash
# the artifacts and notes of a project, kept in $HOST
set -eu
case "$*" in
  *jobs/artifacts*) exit 22 ;;
  *body@*) cp note.md "$HOST/comment"; echo "$*" | grep -o "PUT\\|POST" >> "$HOST/log" ;;
  *) if [ -f "$HOST/comment" ]; then printf '[{"id": 5, "body": "<!-- genbench-gate --> "}]'; else echo '[]'; fi ;;
esac
"""


class Scratch:
    """A repository with two folders of samples, and a host that runs its workflow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder / "repository", folder / "host"
        for path in (self.folder, self.host, folder / "bin"):
            path.mkdir()
        for name, text in {"gh": GH, "curl": CURL, "pip": "#!/bin/bash\n"}.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        # the command of this environment, whether it is installed as a script or not
        (folder / "bin" / "genbench").write_text(f'#!/bin/bash\nexec "{sys.executable}" -m genbench "$@"\n')
        (folder / "bin" / "genbench").chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOST": str(self.host)}
        for name in ("GITHUB_STEP_SUMMARY", "GENBENCH_CACHE"):
            self.environment.pop(name, None)
        self.write("real.npy", 0)
        self.write("made.npy", 1, highest=200)

    def write(self, name: str, seed: int, *, highest: int = 256) -> None:
        images = np.random.default_rng(seed).integers(0, highest, (300, 4, 4, 3), dtype=np.uint8)
        np.save(self.folder / name, images)

    def add(self, host: str, baseline: str) -> None:
        """Write the files of a gate; an empty baseline means the artifact of the default branch."""
        for path, text in workflow_files(host, SCORE, Path("baseline.jsonl")).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text.replace('"baseline.jsonl"', f'"{baseline}"'))

    def bash(self, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        # the flags are those of GitHub; GitLab's are the same
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder, env={**self.environment, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def github(self, run: int) -> tuple[int, str, Path]:
        """Run the job of the workflow; return its exit code, its log and the folder of the artifact."""
        temporary = self.host / f"run-{run}"
        temporary.mkdir()
        given: dict[str, str] = {
            "runner.temp": str(temporary), "runner.os": "Linux", "github.token": "t", "github.repository": "me/it",
            "github.event.repository.default_branch": "main", "github.event.pull_request.number": "3",
            "steps.upload.outputs.artifact-url": "https://host/artifact",
        }  # fmt: skip
        code, log = 0, ""
        (job,) = yaml.safe_load((self.folder / WORKFLOW).read_text())["jobs"].values()
        for step in job["steps"]:
            if step.get("uses", "").startswith("./"):
                action = yaml.safe_load((self.folder / step["uses"] / "action.yml").read_text())
                defaults = {name: entry.get("default", "") for name, entry in action["inputs"].items()}
                assert set(step["with"]) <= set(defaults)
                values = {**defaults, **step["with"]}
                inside = {**given, **{f"inputs.{name}": evaluated(text, given) for name, text in values.items()}}
                for inner in action["runs"]["steps"]:
                    if code == 0:
                        code, log = self._step(inner, inside, temporary, log)
            elif code == 0:
                code, log = self._step(step, given, temporary, log)
        return code, log, temporary / "genbench-gate"

    def _step(self, step: dict[str, Any], given: dict[str, str], temporary: Path, log: str) -> tuple[int, str]:
        """Run a step, and remember what it wrote to GITHUB_OUTPUT."""
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w/-]+@v\d", step["uses"])
            for value in step.get("with", {}).values():
                evaluated(str(value), given)
            return 0, log
        files = {name: str(temporary / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        Path(files["GITHUB_OUTPUT"]).write_text("")
        environment = {name: evaluated(text, given) for name, text in step.get("env", {}).items()}
        fixed = {"RUNNER_TEMP": str(temporary), "GITHUB_WORKFLOW": "genbench"}
        done = self.bash(step["run"], {**environment, **files, **fixed})
        for line in Path(files["GITHUB_OUTPUT"]).read_text().splitlines():
            name, _, value = line.partition("=")
            given[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode, log + done.stdout + done.stderr


def evaluated(text: str, given: dict[str, str]) -> str:
    """Replace the expressions in a text; an output that no step wrote is empty, and any other unknown name an error."""
    return re.sub(
        r"\$\{\{ (.+?) \}\}",
        lambda match: given.get(match[1], "") if match[1] == "steps.gate.outputs.code" else given[match[1]],
        text,
    )


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def test_the_action_of_this_repository_is_the_one_that_init_writes() -> None:
    assert (ROOT / ACTION).read_text() == workflow_files("github", SCORE, Path("baseline.jsonl"))[ACTION]


def test_the_workflow_in_the_docs_is_the_one_that_its_command_writes() -> None:
    shown = section(page("docs/leaderboards_and_ci.md"), "### Set up the gate in your repository")
    command, workflow, _ = examples(shown)
    words = command.code.split()
    assert words[:3] == ["genbench", "ci", "init"]
    assert workflow.code == workflow_files("github", words[3:], Path("baseline.jsonl"))[WORKFLOW]


def test_every_input_of_the_action_is_used_and_in_the_docs() -> None:
    text = (ROOT / ACTION).read_text()
    shown = section(page("docs/leaderboards_and_ci.md"), "### Set up the gate in your repository")
    for name in yaml.safe_load(text)["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in text
        assert f"`{name}`" in shown


@pytest.mark.slow
def test_a_pull_request_passes_and_a_worse_one_fails_with_one_comment(scratch: Scratch) -> None:
    scratch.add("github", "baseline.jsonl")
    done = scratch.bash('genbench score "$@" --to baseline.jsonl'.replace('"$@"', " ".join(map(repr, SCORE))), {})
    assert done.returncode == 0, done.stderr
    code, log, artifact = scratch.github(1)
    assert code == 0, log
    assert "::notice title=genbench gate passed::a model" in log
    written = {path.name for path in artifact.iterdir()}
    assert {"results.jsonl", "index.html", "table.md", "summary.md", "gate.xml", "badge.svg"} <= written
    assert "### genbench gate: passed" in (artifact.parent / "GITHUB_STEP_SUMMARY").read_text()
    scratch.write("made.npy", 1, highest=128)
    code, log, artifact = scratch.github(2)
    assert code == 1, log
    assert "::error title=genbench gate failed::a model" in log
    assert xml.parse(artifact / "gate.xml").getroot()[0].get("failures") == "1"
    # the second run replaces the comment of the first
    assert (scratch.host / "log").read_text().splitlines() == ["POST", "PATCH repos/me/it/issues/comments/5"]
    comment = (scratch.host / "comment").read_text()
    assert comment.startswith("<!-- genbench-gate -->\n### genbench gate: failed")
    assert "| a model |" in comment
    assert "(https://host/artifact)" in comment


@pytest.mark.slow
def test_without_a_file_the_baseline_is_the_artifact_of_the_main_branch(scratch: Scratch) -> None:
    scratch.add("github", "")
    code, log, artifact = scratch.github(1)
    assert code == 0, log
    assert "::notice::There is no baseline yet" in log
    assert "genbench gate" not in log
    artifact.rename(scratch.host / "artifact")
    code, log, _ = scratch.github(2)
    assert code == 0, log
    assert "::notice title=genbench gate passed::a model" in log


@pytest.mark.slow
def test_a_mistake_in_the_arguments_of_the_gate_fails_the_job_with_its_code(scratch: Scratch) -> None:
    scratch.add("github", "nothing.jsonl")
    code, log, _ = scratch.github(1)
    assert code == 4
    assert "nothing.jsonl cannot be read" in log


@pytest.mark.slow
def test_the_template_for_gitlab_scores_gates_and_writes_one_note(scratch: Scratch) -> None:
    scratch.add("gitlab", "")
    (job,) = yaml.safe_load((scratch.folder / ".gitlab/genbench-gate.yml").read_text()).values()
    place = {"CI_API_V4_URL": "https://host/api/v4", "CI_PROJECT_ID": "7", "CI_DEFAULT_BRANCH": "main",
             "CI_JOB_TOKEN": "t", "CI_PROJECT_DIR": str(scratch.folder)}  # fmt: skip
    variables = {name: os.path.expandvars(str(text).replace("$CI_PROJECT_DIR", str(scratch.folder)))
                 for name, text in job["variables"].items()}  # fmt: skip
    script = "\n".join([*job["before_script"], *job["script"]])
    # the first run of the default branch has no baseline
    done = scratch.bash(script, {**place, **variables})
    assert done.returncode == 0, done.stderr
    assert "There is no baseline yet" in done.stdout
    (scratch.folder / "genbench-gate/results.jsonl").rename(scratch.folder / "baseline.jsonl")
    scratch.write("made.npy", 1, highest=128)
    merge = {**place, **variables, "GENBENCH_BASELINE": "baseline.jsonl", "CI_MERGE_REQUEST_IID": "3",
             "GENBENCH_GITLAB_TOKEN": "t"}  # fmt: skip
    for expected in ("POST", "PUT"):
        done = scratch.bash(f"rm -rf genbench-gate\n{script}", merge)
        assert done.returncode == 1, done.stderr
        assert (scratch.host / "log").read_text().splitlines()[-1] == expected
    assert "### genbench gate: failed" in (scratch.host / "comment").read_text()
    assert (scratch.folder / job["artifacts"]["reports"]["junit"]).exists()
    assert {"index.html", "badge.svg"} <= {path.name for path in (scratch.folder / "genbench-gate").iterdir()}
