"""The callbacks of the tutorial: the number in a training loop is that of ``genbench score`` for the same weights.

The loops are those of Lightning and Accelerate if these are installed, and otherwise of objects that act like them.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from genbench.cli import main
from genbench.results import Result
from genbench.scoring.watcher import Watcher
from tests.docs.conftest import empty_folder
from tests.docs.pages import examples, page

__all__ = ["empty_folder"]

REFERENCE = "digits,split=test"
HOW: dict[str, Any] = {"features": "digits", "metrics": "fd,is", "count": 200, "seed": 3}


@pytest.fixture
def folder(empty_folder: Path) -> Path:
    """A folder with the modules of the tutorial."""
    for example in examples(page("docs/tutorial.md")):
        if example.file in ("my_generator.py", "scored_training.py", "scored_loop.py"):
            (empty_folder / example.file).write_text(example.code, encoding="utf-8")
    return empty_folder


class Recorded(Watcher):
    """A watcher that keeps its results by step."""

    kept: dict[int, Result]

    def __call__(self, step: int, subject: object) -> Result | None:
        result = super().__call__(step, subject)
        if result is not None:
            self.kept = {**getattr(self, "kept", {}), step: result}
        return result


def score_of_command(weights: Path) -> dict[str, float]:
    """Return the numbers of ``genbench score`` for saved weights."""
    words = f"score --sampler my_generator:Generator,weights={weights} --reference {REFERENCE} --features digits"
    arguments = [*words.split(), "--metrics", "fd,is", "--count", "200", "--seed", "3", "--json", "--no-cache"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return {score["name"]: score["value"] for score in json.loads(done.stdout)["scores"]}


def numbers(result: Result) -> dict[str, float]:
    return {key: value for key, value in result.values.items() if not key.endswith(("_error", "_std"))}


def require_equal(result: Result, weights: Path) -> None:
    by_command = score_of_command(weights)
    assert by_command
    assert {key: result.values[key] for key in by_command} == by_command


def step_of(generator: torch.nn.Module, optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Change the weights by one step."""
    optimizer.zero_grad()
    loss = (generator.layers(torch.randn(8, 16)) ** 2).mean()  # type: ignore[operator]
    loss.backward()
    optimizer.step()
    return loss.detach()


def test_the_callback_of_lightning_gives_the_numbers_of_score(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lightning: Any = ModuleType("lightning.pytorch")
    lightning.Callback = object
    monkeypatch.setitem(sys.modules, "lightning", ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.pytorch", lightning)
    callback = import_module("scored_training").Score(REFERENCE, every=2, **HOW)
    callback.watch = Recorded(REFERENCE, every=2, **HOW)
    torch.manual_seed(0)
    module = SimpleNamespace(generator=import_module("my_generator").Generator())
    optimizer = torch.optim.SGD(module.generator.parameters(), 10.0)
    # as a trainer that accumulates two batches: every step of the optimizer is seen twice
    for batch in range(1, 9):
        if batch % 2 == 0:
            step_of(module.generator, optimizer)
        trainer = SimpleNamespace(is_global_zero=True, global_step=batch // 2)
        callback.on_train_batch_end(trainer, module, None, None, batch)
    callback.on_train_end(trainer, module)
    assert sorted(callback.watch.kept) == [0, 2, 4]
    assert module.generator.training
    torch.save(module.generator.state_dict(), folder / "last.pt")
    require_equal(callback.watch.kept[4], folder / "last.pt")
    # the weights decide the number
    assert numbers(callback.watch.kept[2]) != numbers(callback.watch.kept[4])


def test_only_the_first_process_scores_in_lightning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lightning: Any = ModuleType("lightning.pytorch")
    lightning.Callback = object
    monkeypatch.setitem(sys.modules, "lightning", ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.pytorch", lightning)
    callback = import_module("scored_training").Score(REFERENCE, every=1, **HOW)
    callback.on_train_batch_end(SimpleNamespace(is_global_zero=False, global_step=0), None)
    assert callback.last == -1


def test_a_trainer_of_lightning_gives_the_numbers_of_score(folder: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    generator_module = import_module("my_generator")

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.generator = generator_module.Generator()

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            return (self.generator.layers(batch) ** 2).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 10.0)

    callback = import_module("scored_training").Score(REFERENCE, every=2, **HOW)
    callback.watch = Recorded(REFERENCE, every=2, **HOW)
    module = Module()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_steps=4, accelerator="cpu", callbacks=[callback], **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(torch.randn(64, 16), batch_size=8))
    torch.save(module.generator.state_dict(), folder / "last.pt")
    assert sorted(callback.watch.kept) == [2, 4]
    require_equal(callback.watch.kept[4], folder / "last.pt")


class Accelerated:
    """Acts like an Accelerator of one process."""

    is_main_process = True
    waited = 0

    def unwrap_model(self, model: torch.nn.Module) -> torch.nn.Module:
        return model.module  # type: ignore[return-value]

    def wait_for_everyone(self) -> None:
        self.waited += 1


def test_the_loop_of_accelerate_gives_the_numbers_of_score(folder: Path) -> None:
    score = import_module("scored_loop").score
    generator = import_module("my_generator").Generator()
    wrapped = torch.nn.Module()
    wrapped.module = generator
    optimizer = torch.optim.SGD(generator.parameters(), 10.0)
    accelerator, watch = Accelerated(), Watcher(REFERENCE, every=2, **HOW)
    results = {}
    for step in range(3):
        results[step] = score(accelerator, watch, step, wrapped)
        if step < 2:
            step_of(generator, optimizer)
    assert results[1] is None
    assert accelerator.waited == 3
    torch.save(generator.state_dict(), folder / "last.pt")
    require_equal(results[2], folder / "last.pt")
    # another process only waits
    accelerator.is_main_process = False
    assert score(accelerator, watch, 4, wrapped) is None


def test_an_accelerator_gives_the_numbers_of_score(folder: Path) -> None:
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    plain = import_module("my_generator").Generator()
    generator, optimizer = accelerator.prepare(plain, torch.optim.SGD(plain.parameters(), 10.0))
    step_of(generator, optimizer)
    watch = Watcher(REFERENCE, every=1, **HOW)
    result = import_module("scored_loop").score(accelerator, watch, 1, generator)
    torch.save(accelerator.unwrap_model(generator).state_dict(), folder / "last.pt")
    require_equal(result, folder / "last.pt")
