"""A sampler that draws its next chunk while the extractor works on the last one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genbench.derived_sources import CHUNK, Drawn
from genbench.errors import PlugError
from genbench.extraction import block_reader
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.feature_store import Store
from genbench.plugs.opening import open_subject

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for another thread."""


class Points:
    """An extractor that gives its input, and calls ``look`` for every batch."""

    name, identity = "points", "points"

    def __init__(self, look: Callable[[], object] = lambda: None) -> None:
        self.look = look

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        self.look()
        return {"embedding": data.clone()}


class Sampler:
    """Points of the global generators. It remembers its calls: the thread, and how many calls ran at a time."""

    def __init__(self, draw: Callable[[int], object] = lambda chunk: None, *, draw_ahead: bool = True) -> None:
        self.draw, self.draw_ahead = draw, draw_ahead
        self.threads: list[int] = []
        self.started: list[threading.Event] = [threading.Event() for _ in range(9)]
        self.running = self.most_running = 0

    def sample(self, count: int, seed: int) -> np.ndarray:
        chunk = len(self.threads)
        self.threads.append(threading.get_ident())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.started[chunk].set()
        try:
            self.draw(chunk)
            # slowly, one number at a time, so that other threads come in between
            rows = [[torch.rand(()).item(), np.random.rand(), random.random()] for _ in range(count)]
        finally:
            self.running -= 1
        return np.array(rows, np.float32)


def features(sampler: Any, count: int = 4 * CHUNK + 7, extractor: Any = None, **options: Any) -> np.ndarray:
    source = Drawn(sampler, count, 3, "sampler")
    return extract(source, extractor or Points(), Extraction(progress=False, **options))["embedding"]


def in_turn(count: int = 4 * CHUNK + 7) -> np.ndarray:
    return features(Sampler(draw_ahead=False), count)


def other_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("genbench-draw")]


def test_the_samples_are_those_of_a_sampler_in_turn() -> None:
    np.testing.assert_array_equal(features(Sampler()), in_turn())


def test_the_next_chunk_is_drawn_while_the_extractor_works() -> None:
    sampler, seen = Sampler(), []

    def look() -> None:
        # from the second batch of a block on, the sampler has been asked for the next chunk
        batch = len(seen)
        seen.append(batch)
        if batch % 4 and (chunk := batch // 4 + 1) < 4:
            assert sampler.started[chunk].wait(PATIENCE)

    features(sampler, 4 * CHUNK, Points(look), batch_size=64)
    assert len(seen) == 16


def test_one_thread_draws_all_chunks_but_the_first_one_at_a_time() -> None:
    sampler = Sampler()
    features(sampler)
    first, *others = sampler.threads
    assert first == threading.get_ident()
    assert len(others) == 4
    assert len(set(others)) == 1
    assert others[0] != first
    assert sampler.most_running == 1
    assert not other_threads()


def test_a_sampler_that_asks_for_it_draws_in_turn() -> None:
    sampler = Sampler(draw_ahead=False)
    features(sampler)
    assert set(sampler.threads) == {threading.get_ident()}


def test_a_function_can_ask_for_it_too() -> None:
    def draw(count: int, seed: int) -> np.ndarray:
        return np.zeros((count, 2), np.float32)

    assert Drawn(open_subject(draw), 1, 0, "draw").draws_ahead  # type: ignore[arg-type]
    draw.draw_ahead = False  # type: ignore[attr-defined]
    assert not Drawn(open_subject(draw), 1, 0, "draw").draws_ahead  # type: ignore[arg-type]


def test_no_chunk_is_drawn_that_is_not_needed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for _ in range(2):
        # the chunks must be drawn to be hashed, even if their features are in the store
        sampler = Sampler()
        features(sampler, store=store)
        assert len(sampler.threads) == 5


def test_known_blocks_are_not_drawn() -> None:
    known: dict[int, Any] = {}
    features(Sampler(), 2 * CHUNK, known=known)
    sampler = Sampler()
    np.testing.assert_array_equal(features(sampler, 4 * CHUNK, known=known), in_turn(4 * CHUNK))
    assert len(sampler.threads) == 2
    sampler = Sampler()
    features(sampler, 4 * CHUNK, known=known)
    assert not sampler.threads


def test_an_error_is_that_of_a_sampler_in_turn(tmp_path: Path) -> None:
    def fail(chunk: int) -> None:
        if chunk >= 2:
            raise ValueError("no more")

    messages = []
    for draw_ahead in (True, False):
        with pytest.raises(PlugError, match="The sampler 'sampler' raised ValueError: no more") as caught:
            features(Sampler(fail, draw_ahead=draw_ahead), store=Store(tmp_path / str(draw_ahead)))
        messages.append(str(caught.value))
        assert not other_threads()
    assert messages[0] == messages[1]
    # the blocks before the error are stored
    stored = [sorted(path.name for path in (tmp_path / name).rglob("*.safetensors")) for name in ("True", "False")]
    assert stored[0] == stored[1]
    assert stored[0]


def test_a_sampler_that_works_in_the_main_thread_only_goes_on_in_it() -> None:
    def require_main_thread(chunk: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("There is no current event loop in this thread.")

    sampler = Sampler(require_main_thread)
    np.testing.assert_array_equal(features(sampler), in_turn())
    # one call in the other thread has failed
    assert len(sampler.threads) == 6
    assert not other_threads()


@pytest.mark.parametrize("use", [lambda: torch.rand(()), np.random.rand, random.random])
def test_beside_an_extractor_that_uses_a_global_generator_the_sampler_waits(use: Callable[[], object]) -> None:
    sampler = Sampler()
    np.testing.assert_array_equal(features(sampler, extractor=Points(use)), in_turn())
    assert set(sampler.threads) == {threading.get_ident()}


def test_large_blocks_are_not_drawn_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_reader, "BYTES_AHEAD", CHUNK * 3 * 4 - 1)
    sampler = Sampler()
    features(sampler)
    assert set(sampler.threads) == {threading.get_ident()}


def test_with_lower_precision_on_the_cpu_the_sampler_waits() -> None:
    sampler = Sampler()
    precision = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        features(sampler)
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = precision
    assert set(sampler.threads) == {threading.get_ident()}


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_of_the_extractor_ends_the_thread_and_restores_the_generators(error: BaseException) -> None:
    sampler = Sampler()
    sampler.draw = lambda chunk: _sleep_from(1, chunk)

    def look() -> None:
        if sampler.started[1].is_set():
            raise error
        if len(sampler.threads) == 1 and other_threads():
            assert sampler.started[1].wait(PATIENCE)
            raise error

    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    expected = (PlugError, KeyboardInterrupt)
    with pytest.raises(expected):
        features(sampler, extractor=Points(look))
    assert not other_threads()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def _sleep_from(first: int, chunk: int) -> None:
    end = time.monotonic() + PATIENCE
    while chunk >= first:
        time.sleep(0.01)
        assert time.monotonic() < end, "the sampler was not interrupted"


def test_the_sampler_has_the_settings_of_the_caller_in_its_thread() -> None:
    seen = []

    def look(chunk: int) -> None:
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), np.geterr()["over"]))
        seen[-1] += (torch.is_autocast_enabled("cpu"), torch.get_num_threads())

    class Zeros(Sampler):
        def sample(self, count: int, seed: int) -> np.ndarray:
            self.threads.append(threading.get_ident())
            self.draw(0)
            return np.zeros((count, 2), np.float32)

    for context in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        sampler = Zeros(look)
        with context, np.errstate(over="raise"):
            features(sampler, 2 * CHUNK, Points(lambda: torch.set_num_threads(torch.get_num_threads())))
        assert len(set(sampler.threads)) == 2
        assert seen[-1] == seen[-2]


def test_the_default_device_is_a_setting_of_the_caller() -> None:
    with torch.device("meta"):
        (device,) = block_reader._torch_settings()
    with device:
        assert torch.empty(()).device.type == "meta"
    assert not block_reader._torch_settings()
