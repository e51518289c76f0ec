"""Each mistake of a guest against its contract is told in one sentence that names the guest."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import genbench
from genbench import Batch, Score
from genbench.errors import PlugError
from genbench.plugs.contract_checks import check_metric, checked_scores, checked_views, read_batches
from genbench.plugs.opening import open_subject

ROWS = torch.arange(4)
POINTS = torch.zeros(4, 2)


class Guest:
    """A source of four points whose batches are given."""

    name = "guest"

    def __init__(self, *batches: Any) -> None:
        self.given = batches

    def __len__(self) -> int:
        return 4

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Any]:
        yield from self.given


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((ROWS, POINTS, None), "yields a tuple; expected batches with index, data and label"),
        ([POINTS], "yields a list; expected batches"),
        (Batch(ROWS, POINTS.tolist()), "yields data of a list in a list; expected an array or tensor"),
        (Batch(ROWS, POINTS.long()), r"yields data of int64 \[4, 2\] \(Tensor\)"),
        (Batch(ROWS, torch.zeros(4, 8, 8, 3, dtype=torch.uint8)), r"yields data of uint8 \[4, 8, 8, 3\]"),
        (Batch(ROWS, torch.zeros(4, 3, 8, 8)), r"yields data of float32 \[4, 3, 8, 8\]"),
        (Batch(ROWS, [POINTS] * 4), r"yields data of float32 \[4, 2\] \(Tensor\) in a list"),
        (Batch(ROWS[:3], POINTS), r"yields index of int64 \[3\] \(Tensor\) for 4 samples"),
        (Batch([0, 1, 2, 3], POINTS), "yields index of a list for 4 samples"),
        (Batch(ROWS.float(), POINTS), r"yields index of float32 \[4\]"),
        (Batch(ROWS, POINTS, ROWS[:2]), r"yields label of int64 \[2\] \(Tensor\) for 4 samples"),
        (Batch(ROWS, POINTS, ROWS.float()), r"yields label of float32 \[4\]"),
        (Batch(ROWS + 2, POINTS), "yields the samples 2 to 5 when asked for 0 to 3"),
    ],
)
def test_a_batch_that_breaks_the_contract_is_refused(batch: Any, message: str) -> None:
    with pytest.raises(PlugError, match=f"The source 'guest' {message}"):
        list(read_batches(Guest(batch), 4))


@pytest.mark.parametrize("data", [POINTS.bfloat16().requires_grad_(), list(torch.zeros(4, 3, 2, 2, dtype=torch.uint8))])
def test_tensors_of_a_guest_become_arrays(data: Any) -> None:
    (batch,) = read_batches(Guest(Batch(ROWS.int(), data, ROWS)), 4)  # type: ignore[arg-type]
    columns = [batch.index, batch.label, *batch.data]
    assert {type(column) for column in columns} == {np.ndarray}
    assert batch.index.dtype == np.int64
    assert {row.dtype for row in batch.data} == {np.dtype(np.uint8 if isinstance(data, list) else np.float32)}


def test_a_batch_of_the_guests_own_class_is_enough() -> None:
    (batch,) = read_batches(Guest(SimpleNamespace(index=ROWS, data=POINTS)), 4)
    assert isinstance(batch, Batch)
    assert (batch.label, batch.left_out) == (None, {})


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3)])
def test_whatever_a_source_raises_names_the_source(error: BaseException) -> None:
    class Raising(Guest):
        def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Any]:
            raise error
            yield

    with pytest.raises(PlugError, match=f"The source 'guest' raised {type(error).__name__}"):
        list(read_batches(Raising(), 4))


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (None, "gave a NoneType; expected a dict of views"),
        ({}, "gave a dict; expected a dict of views"),
        (POINTS, "gave a Tensor; expected a dict"),
        ({"embedding": POINTS.tolist()}, r"gave 'embedding' as a list for 4 samples; expected float32 \[N, D\]"),
        ({"embedding": POINTS.long()}, r"gave 'embedding' as int64 \[4, 2\]"),
        ({"embedding": POINTS[:, 0]}, r"gave 'embedding' as float32 \[4\] \(Tensor\)"),
        ({"embedding": POINTS[:3]}, r"gave 'embedding' of shape \[3, 2\] for 4 samples"),
        ({"mode": POINTS[:, 0]}, r"gave 'mode' as float32 \[4\] .*expected int64 \[N\]"),
        ({"quality": ROWS}, r"gave 'quality' as int64 \[4\] .*expected bool \[N\]"),
    ],
)
def test_views_that_break_the_contract_are_refused(views: Any, message: str) -> None:
    with pytest.raises(PlugError, match=f"The extractor 'guest' {message}"):
        checked_views(views, 4, "The extractor 'guest'")


def test_views_may_be_tensors_or_arrays_of_any_precision() -> None:
    views = {"embedding": POINTS.bfloat16(), "logits": np.zeros((4, 3)), "mode": np.zeros(4, np.int32), "own": ROWS}
    assert {name: array.shape for name, array in checked_views(views, 4, "x").items()} == {
        "embedding": (4, 2),
        "logits": (4, 3),
        "mode": (4,),
        "own": (4,),
    }


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (None, "a NoneType; expected a list of scores"),
        (1.0, "a float; expected a list"),
        ({"gap": 1.0}, "a dict; expected a list"),
        (Score("gap", 1.0), "a Score; expected a list"),
        ([("gap", 1.0)], "a list with a tuple; expected scores"),
        ([Score("gap", "1.0")], "the score 'gap' with the value '1.0'; expected a number"),  # type: ignore[arg-type]
        ([Score("gap", torch.ones(1))], r"with the value float32 \[1\] \(Tensor\)"),  # type: ignore[arg-type]
        ([Score("gap", True)], "with the value True"),
        ([Score("gap", 1.0, -1.0)], "with the error -1.0; expected a number from 0 on"),
        ([Score("gap", 1.0, None, "up")], "with better='up'; expected 'lower', 'higher' or None"),  # type: ignore[arg-type]
        ([Score("gap", 1.0, detail=[1])], "with the detail a list; expected a dict"),  # type: ignore[arg-type]
        ([Score("", 1.0)], "with the name ''; expected a text"),
        ([Score("gap", 1.0), Score("gap", 2.0)], "with the name 'gap'; expected a text, another one for each score"),
    ],
)
def test_scores_that_break_the_contract_are_refused(scores: Any, message: str) -> None:
    with pytest.raises(PlugError, match=f"The metric 'guest' returned .*{message}"):
        checked_scores(scores, "The metric 'guest'")


def test_numbers_of_numpy_and_values_that_are_not_finite_are_scores() -> None:
    scores = [Score("a", np.float32(1)), Score("b", float("nan"), float("inf")), Score("c", 3)]  # type: ignore[arg-type]
    assert checked_scores(scores, "x") == scores


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"needs": "embedding", "reference": "rows"}, "is not a metric: it needs .*not 'embedding'"),
        ({"reference": "rows"}, "is not a metric: .*not None"),
        ({"needs": ("embedding",), "reference": "row"}, "has reference='row'; expected 'none', 'rows' or 'moments'"),
    ],
)
def test_a_metric_without_its_attributes_is_refused_early(attributes: dict[str, Any], message: str) -> None:
    guest = type("Gap", (), {**attributes, "__call__": lambda self: []})()
    with pytest.raises(PlugError, match=message):
        check_metric(guest, "guest:Gap")


class Widening:
    """An extractor whose second batch, which is in another block, is wider than the first."""

    name, identity = "widening", ""
    calls: ClassVar[list[int]] = []

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        self.calls.append(len(data))
        return {"embedding": torch.rand(len(data), 1 + len(self.calls))}


def test_an_extractor_that_changes_its_width_is_refused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), np.uint8)
    with pytest.raises(PlugError, match=r"'widening' gave .* embedding \[n, 2\] and then embedding \[n, 3\]"):
        genbench.score(images, reference=images, features=Widening(), metrics="fd", batch_size=256)


def raising(self: Any) -> Any:
    raise KeyError("attribute")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"__len__": lambda self: -1}, "of class Broken raised ValueError"),
        ({"__len__": lambda self: 4.0}, "of class Broken raised TypeError"),
        ({"name": property(raising)}, "raised KeyError: 'attribute'"),
        ({"name": 3}, "of class Broken has name=3; expected a text"),
    ],
)
def test_a_source_without_a_name_or_a_length_is_refused_when_it_is_opened(
    attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlugError, match=message):
        open_subject(type("Broken", (Guest,), attributes)())


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": property(raising)}, "raised KeyError: 'attribute'"),
        ({"name": 3}, "of class Broken has name=3; expected a text"),
        ({"identity": None}, "'widening' has identity=None; expected a text"),
    ],
)
def test_an_extractor_whose_name_or_identity_is_no_text_is_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlugError, match=message):
        genbench.score("ring,count=50", reference="ring,count=60", features=type("Broken", (Widening,), attributes)())


def test_a_class_that_cannot_be_made_is_a_plug_error() -> None:
    class NeedsMore:
        def __init__(self, depth: int) -> None: ...

        def sample(self, count: int, seed: int) -> None: ...

    with pytest.raises(PlugError, match=r"of class type raised TypeError.*depth"):
        open_subject(NeedsMore)
