"""A guest's metric: the package prdc in 20 lines, without an import of genbench."""

from __future__ import annotations

from typing import Any, NamedTuple


class Value(NamedTuple):
    name: str
    value: float
    error: float | None = None
    better: str = "higher"


class Precision:
    needs = ("embedding",)
    reference = "rows"
    measures = "fidelity"

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Value]:
        import prdc

        found = prdc.compute_prdc(reference["embedding"], generated["embedding"], nearest_k=5)
        return [Value("precision", float(found["precision"]))]
