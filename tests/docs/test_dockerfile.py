"""The Dockerfile installs as the page says, and copies all that the package is built from."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, examples, page, section

DOCKERFILE = ROOT / ".ci" / "Dockerfile"
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1)) for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if line[:1].isupper()
]
"""Each instruction with its arguments; none of them goes on in a second line."""


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def copied() -> list[str]:
    return [source for rest in arguments("COPY") for source in rest.split()[:-1]]


def test_it_installs_with_the_commands_of_the_page_for_machines_without_a_gpu() -> None:
    (example,) = examples(section(page("docs/install.md"), "### Without a GPU"))
    shown = [command.partition("#")[0].strip() for command in example.commands]
    run = [line.replace(" --no-cache-dir", "") for line in arguments("RUN") if line.startswith("pip ")]
    assert run == shown
    assert all("--no-cache-dir" in line for line in arguments("RUN") if line.startswith("pip "))


def test_every_file_that_it_copies_exists() -> None:
    assert copied()
    assert all((ROOT / source).exists() for source in copied())


def test_the_base_has_a_version_and_the_program_is_not_run_by_root() -> None:
    (base,) = arguments("FROM")
    assert base.partition(":")[2] not in ("", "latest")
    assert arguments("USER")[-1] != "root"
    assert arguments("ENTRYPOINT") == ['["genbench"]']


@pytest.mark.slow
def test_the_copied_files_make_a_complete_package(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    (tmp_path / "source").mkdir()
    for source in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, tmp_path / "source" / source)
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *how, "--wheel-dir", str(tmp_path), str(tmp_path / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    # what the commands read beside their modules
    assert {f"genbench/cli/workflows/{name}.yml" for name in ("action", "github", "gitlab")} <= set(
        zipfile.ZipFile(wheel).namelist()
    )


@pytest.mark.slow
def test_the_image_is_built_and_checks_itself() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Docker runs here")
    build = ["docker", "build", "--quiet", "--file", str(DOCKERFILE), "--tag", "genbench-test", str(ROOT)]
    assert subprocess.run(build, capture_output=True, text=True, check=False).returncode == 0
    run = ["docker", "run", "--rm", "--env", "GENBENCH_CACHE=off", "genbench-test", "selftest"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
