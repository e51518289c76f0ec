"""A result is repeated only if nothing that decides it has changed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genbench.results import Result
from genbench.runs.folder import RunFolder
from genbench.runs.identity import trial_identities
from genbench.runs.options import RunSettings
from genbench.runs.run import run
from tests.helpers.tiny_benchmark import TINY

GUEST = """
import numpy as np
from {neighbour} import SPREAD

def sample(count, seed):
    return (np.random.default_rng(seed).normal(size=(count, 2)) * SPREAD * {scale}).astype(np.float32)
"""


@pytest.fixture
def write_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a guest and the module beside it that it imports; return its spec."""
    monkeypatch.chdir(tmp_path)
    name = f"edited_{abs(hash(tmp_path))}"

    def write(*, scale: float = 1, spread: float = 1) -> str:
        Path(f"{name}_beside.py").write_text(f"SPREAD = {spread}\n")
        Path(f"{name}.py").write_text(GUEST.format(neighbour=f"{name}_beside", scale=scale))
        # a new process would import the new code
        importlib.invalidate_caches()
        for module in (name, f"{name}_beside"):
            sys.modules.pop(module, None)
        return f"{name}:sample"

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return write


def trial_identity(settings: RunSettings, sampler: str) -> dict[str, str]:
    return trial_identities(settings)[sampler]


def run_once(sampler: str, out: Path) -> Result:
    (result,) = run(TINY, [sampler], repeats=1, budget="tiny", out=out, progress=False)
    return result


@pytest.mark.parametrize("edit", [{"scale": 0.01}, {"spread": 0.01}])
def test_edited_code_gives_a_new_result_and_says_why(
    write_guest: Callable[..., str], edit: dict[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_once(write_guest(), tmp_path)
    assert run_once(write_guest(), tmp_path) == first
    assert capsys.readouterr().err == ""
    second = run_once(write_guest(**edit), tmp_path)
    assert second.generated.fingerprint != first.generated.fingerprint
    assert "seed 0: trained again, because this has changed: module edited_" in capsys.readouterr().err
    assert len((tmp_path / "ring8.jsonl").read_text().splitlines()) == 2


def test_specs_whose_letters_are_not_valid_in_file_names_have_folders_of_their_own(tmp_path: Path) -> None:
    names = ["d/g.pt", "d_g.pt", "d:g.pt", "..", ".", "x" * 300, "x" * 299 + "y"]
    folders = {RunFolder(tmp_path, "ring8", name, 0).path for name in names}
    assert len(folders) == len(names)
    assert {folder.resolve().parents[1] for folder in folders} == {(tmp_path / "ring8").resolve()}
    assert RunFolder(tmp_path, "ring8", "ae,prior=normal", 0).path == tmp_path / "ring8" / "ae,prior=normal" / "seed-0"


def test_two_files_of_similar_names_have_two_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    np.save("d/g.npy", np.zeros((500, 2), np.float32))
    np.save("d_g.npy", np.ones((500, 2), np.float32))
    first, second = run(TINY, ["d/g.npy", "d_g.npy"], repeats=1, budget="tiny", out="runs", progress=False)
    assert first.generated.fingerprint != second.generated.fingerprint
    # the same path with other content
    np.save("d/g.npy", np.full((500, 2), 2, np.float32))
    third, _ = run(TINY, ["d/g.npy", "d_g.npy"], repeats=1, budget="tiny", out="runs", progress=False)
    assert third.generated.fingerprint not in (first.generated.fingerprint, second.generated.fingerprint)


def test_everything_in_the_recipe_that_decides_the_result_is_part_of_the_identity() -> None:
    settings = RunSettings(TINY, ("noise",), "tiny")
    identity = trial_identity(settings, "noise")
    changed = [
        replace(TINY, metrics="modes"),
        replace(TINY, watch="swd"),
        replace(TINY, version=2),
        replace(TINY, steps={"tiny": 41, "quick": 40}),
        replace(TINY, reference="ring,count=501,seed=2020"),
    ]
    assert all(trial_identity(replace(settings, benchmark=recipe), "noise") != identity for recipe in changed)
    for same in (replace(TINY, about="new words"), replace(TINY, steps={"tiny": 40, "quick": 50})):
        assert trial_identity(replace(settings, benchmark=same), "noise") == identity


def test_a_change_of_the_data_of_a_benchmark_changes_the_identity(tmp_path: Path) -> None:
    data = tmp_path / "points.npy"
    np.save(data, np.zeros((20, 2), np.float32))
    settings = RunSettings(replace(TINY, train=f"part,path={data},split=fit"), ("noise",), "tiny")
    before = trial_identity(settings, "noise")
    np.save(data, np.ones((20, 2), np.float32))
    after = trial_identity(settings, "noise")
    assert {name for name in after if after[name] != before[name]} == {f"file {data}"}


def test_the_code_of_the_models_is_part_of_their_identity() -> None:
    identity = trial_identity(RunSettings(TINY, ("vae",), "tiny"), "vae")
    modules = {name for name in identity if name.startswith("module ")}
    assert {"module genbench_baselines", "module genbench_baselines.vae", "module genbench_baselines.train"} <= modules
    assert not {"module genbench_baselines.gan", "module genbench.errors", "module torch"} & modules


def test_the_words_of_a_command_are_files_whose_content_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("generate.py").write_text("1")
    command = "command:python generate.py --count {count} --seed {seed} --out {out}"
    settings = RunSettings(TINY, (command,), "tiny")
    before = trial_identity(settings, command)
    Path("generate.py").write_text("2")
    assert trial_identity(settings, command) != before


def test_a_result_of_an_earlier_version_is_kept(
    write_guest: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = write_guest()
    first = run_once(guest, tmp_path)
    # its folder has no identity, and its name no hash
    folder = RunFolder(tmp_path, "ring8", guest, 0).path
    (folder / "identity.json").unlink()
    folder.parent.rename(folder.parents[1] / guest.replace(":", "_"))
    assert run_once(guest, tmp_path) == first
    assert capsys.readouterr().err == ""
    # another budget replaces it, as before
    (second,) = run(TINY, [guest], repeats=1, budget="quick", out=tmp_path, progress=False)
    assert second.budget == "quick"
    assert "trained again, because this has changed: budget." in capsys.readouterr().err


def test_a_damaged_identity_counts_as_another_one(
    write_guest: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = write_guest()
    run_once(guest, tmp_path)
    (RunFolder(tmp_path, "ring8", guest, 0).path / "identity.json").write_text('{"spec": 1}')
    run_once(guest, tmp_path)
    assert "identity.json, which is damaged" in capsys.readouterr().err
