"""Make the conformance set: ``python -m tests.conformance.make_set`` writes ``tests/conformance/set``.

The same version of NumPy gives the same bytes. A change of a case or of an expected value raises VERSION.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance import exact

VERSION = 2
FOLDER = Path(__file__).parent / "set"


@dataclass
class Case:
    """One input with its exact answer."""

    name: str
    quantity: str
    """What to compute; README of the set defines each quantity."""
    expected: float | list[float]
    source: str
    """Where the expected value comes from: a closed form, or a direct computation."""
    absolute: float
    """An answer conforms if it is within ``absolute + relative * |expected|``."""
    relative: float
    purpose: str
    """What the case tests."""
    parameters: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def cases() -> list[Case]:
    """Return all cases, in the order of the file."""
    groups = (moments_cases(), row_cases(), kernel_cases(), logit_cases(), neighbour_cases(), vendi_cases())
    return [*(case for group in groups for case in group), *resize_cases()]


def rotation(size: int, seed: int) -> np.ndarray:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0])


def moments_cases() -> Iterator[Case]:
    """Yield Frechet distances of given means and covariances."""

    def case(name: str, mean: np.ndarray, *sigmas: np.ndarray, expected: float | None = None, **about: Any) -> Case:
        arrays = {"mu1": np.zeros(len(mean)), "sigma1": sigmas[0], "mu2": mean, "sigma2": sigmas[1]}
        value = exact.frechet_of_moments(*arrays.values()) if expected is None else expected
        source = "50 digits" if expected is None else "closed form"
        return Case(
            name, "frechet_distance", value, source, **{"absolute": 1e-7, "relative": 1e-6} | about, arrays=arrays
        )

    zero = np.zeros(16)
    yield case("shift", np.arange(4.0), np.eye(4), np.eye(4), expected=14.0, purpose="a shift of the mean only")
    # covariances with the same eigenvectors: sum of (sqrt a - sqrt b)^2
    turn, spread = rotation(16, 1), (np.linspace(0.5, 4, 16), np.linspace(3, 0.1, 16))
    commuting = [turn @ np.diag(values) @ turn.T for values in spread]
    closed = float(((np.sqrt(spread[0]) - np.sqrt(spread[1])) ** 2).sum())
    yield case("same_axes", zero, *commuting, expected=closed, purpose="covariances with the same eigenvectors")
    factors = [np.random.default_rng(seed).standard_normal((8, 8)) for seed in (2, 3)]
    general = [factor @ factor.T / 8 + 0.1 * np.eye(8) for factor in factors]
    yield case("general", np.ones(8), *general, purpose="covariances with different eigenvectors")
    steep = [turn @ np.diag(np.logspace(4, low, 16)) @ turn.T for low in (-6, -5)]
    yield case("steep", zero, *steep, purpose="eigenvalues over ten orders of magnitude")
    thin = [
        factor @ factor.T / 10 for factor in (np.random.default_rng(seed).standard_normal((48, 10)) for seed in (4, 5))
    ]
    yield case("singular", np.zeros(48), *thin, purpose="covariances of rank 10 in 48 dimensions", absolute=1e-5)
    yield case(
        "singular_equal",
        np.zeros(48),
        thin[0],
        thin[0],
        expected=0.0,
        purpose="two equal singular covariances",
        absolute=1e-5,
    )


def row_cases() -> Iterator[Case]:
    """Yield Frechet distances of the Gaussians fitted to rows."""

    def case(name: str, x: np.ndarray, y: np.ndarray, purpose: str, **about: Any) -> Case:
        (mu1, sigma1), (mu2, sigma2) = exact.moments_of_rows(x), exact.moments_of_rows(y)
        value = exact.frechet_of_moments(mu1, sigma1, mu2, sigma2)
        tolerance = {"absolute": 1e-7, "relative": 1e-5} | about
        arrays = {"x": x, "y": y}
        return Case(name, "frechet_distance_of_rows", value, "50 digits", purpose=purpose, arrays=arrays, **tolerance)

    rng = np.random.default_rng(10)
    x, y = (rng.standard_normal((200, 6)).astype(np.float32) * (1 + 0.2 * side) for side in (0, 1))
    yield case("rows", x, y, "float32 rows, N = 200, D = 6")
    yield case("rows_far_from_zero", x + 3000, y + 3000, "the same rows 3,000 units away: sums of squares lose digits")
    few = [rng.standard_normal((12, 40)).astype(np.float32) for _ in range(2)]
    yield case("fewer_rows_than_dimensions", few[0], few[1], "N = 12, D = 40", absolute=1e-5)
    yield case("the_same_few_rows", few[0], few[0], "N = 12, D = 40, both sides equal: 0", absolute=1e-5)


def kernel_cases() -> Iterator[Case]:
    """Yield kernel distances: the U-statistic over all rows."""

    def case(name: str, x: np.ndarray, y: np.ndarray, source: str, purpose: str) -> Case:
        value, arrays = exact.kernel_distance(x, y), {"x": x.astype(np.float32), "y": y.astype(np.float32)}
        return Case(name, "kernel_distance", value, source, 1e-7, 1e-4, purpose, arrays=arrays)

    hand = np.array([[0, 0], [2, 0], [0, 2]]), np.array([[2, 2], [0, 0], [2, 0]])
    yield case("kernel_by_hand", *hand, "fractions", "three rows a side")
    rng = np.random.default_rng(20)
    x, y = (np.maximum(rng.standard_normal((count, 32)), 0).astype(np.float32) for count in (120, 120))
    yield case("kernel", x, (y * np.float32(1.2)).astype(np.float32), "long double", "features after a ReLU")
    yield case("kernel_unequal_counts", x[:80], y, "long double", "80 and 120 rows: each mean over its own pairs")


def logit_cases() -> Iterator[Case]:
    """Yield Inception Scores."""

    def case(name: str, logits: np.ndarray, value: float, source: str, purpose: str, splits: int = 1) -> Case:
        parameters = {"splits": splits, "shuffle": False}
        return Case(name, "inception_score", value, source, 1e-6, 1e-6, purpose, parameters, {"logits": logits})

    share = np.full((10, 10), 0.1 / 9) + (0.9 - 0.1 / 9) * np.eye(10)
    closed = float(np.exp(np.log(10) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 9)))
    yield case("nine_in_ten_sure", np.log(share), closed, "closed form", "each class once, with probability 0.9")
    yield case("no_idea", np.zeros((20, 7)), 1.0, "closed form", "equal logits: 1")
    yield case("certain", 1e4 * np.eye(8), 8.0, "closed form", "logits of 10,000: probabilities of exactly 0")
    logits = np.random.default_rng(30).standard_normal((205, 12)).astype(np.float32) * 2
    logits = logits[np.argsort(logits.argmax(axis=1), kind="stable")]
    yield case("random_logits", logits, exact.inception_score(logits), "long double", "N = 205, one split")
    value = exact.inception_score(logits, 10)
    yield case("ten_splits", logits, value, "long double", "205 rows sorted by class, ten splits in file order", 10)


def neighbour_cases() -> Iterator[Case]:
    """Yield precision and recall (k = 3), and density and coverage (k = 5)."""
    rng = np.random.default_rng(40)
    x, y = ((rng.standard_normal((n, 8)) * scale).astype(np.float32) for n, scale in ((90, 1.0), (110, 1.3)))
    line = np.arange(12.0)[:, None].astype(np.float32)
    copies = np.repeat(line[:4], 6, axis=0)
    sets = (
        ("random_rows", x, y, "90 and 110 rows in 8 dimensions"),
        (
            "on_a_line",
            np.array([[14], [-3], [5.5], [30], [31], [32], [33], [34]], np.float32),
            line,
            "distances that equal a radius",
        ),
        ("copies_of_the_reference", y, y, "both sides equal"),
        ("repeated_rows", copies, copies, "each row six times: radii of 0"),
    )
    for name, generated, reference, purpose in sets:
        arrays = {"x": generated, "y": reference}
        for quantity, k, compute in (
            ("precision_recall", 3, exact.precision_recall),
            ("density_coverage", 5, exact.density_coverage),
        ):
            value = compute(generated, reference, k)
            yield Case(
                f"{name}_{quantity}", quantity, value, "all distances in float64", 1e-6, 0, purpose, {"k": k}, arrays
            )


def vendi_cases() -> Iterator[Case]:
    """Yield Vendi scores with the cosine similarity."""
    yield Case("orthogonal", "vendi", 5.0, "closed form", 1e-6, 0, "five orthogonal rows", arrays={"x": 3 * np.eye(5)})
    rows: np.ndarray = np.repeat(np.eye(4)[:2], [3, 1], axis=0)
    closed = float(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))
    yield Case("three_and_one", "vendi", closed, "closed form", 1e-6, 0, "three equal rows and one", arrays={"x": rows})
    rows = np.random.default_rng(50).standard_normal((60, 10)).astype(np.float32) + np.float32(0.5)
    yield Case("vendi", "vendi", exact.vendi(rows), "float64", 1e-4, 0, "N = 60, D = 10", arrays={"x": rows})


def resize_cases() -> Iterator[Case]:
    """Yield pixels of images that are resized to 299 x 299."""
    rng = np.random.default_rng(60)
    for name, height, width in (("small", 32, 40), ("large", 350, 310)):
        # a smooth image with edges and noise
        grid = np.indices((height, width)) / 20
        shape = np.sin(grid[0])[..., None] + np.cos(grid[1])[..., None]
        noise = rng.integers(-40, 41, (height, width, 3))
        image = np.clip(128 + 50 * shape + noise, 0, 255).astype(np.uint8)
        places = rng.integers(0, 299, (40, 2))
        for kind in ("tf", "torch", "clean", "torchmetrics"):
            pixels = exact.resized(image, kind)[places[:, 0], places[:, 1]].round(6)
            yield Case(
                f"resize_{kind}_{name}",
                "resize",
                pixels.flatten().tolist(),
                "float64",
                0.02,
                0,
                f"{kind}: {height} x {width} pixels, 40 places of the result",
                {"kind": kind, "size": 299},
                {"image": image, "places": places},
            )


def write(folder: Path) -> None:
    """Write cases.json and arrays.npz into a folder; the same cases give the same bytes."""
    records: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    keys: dict[tuple[Any, ...], str] = {}
    for case in cases():
        record = asdict(case)
        for key, array in case.arrays.items():
            # cases that share an array name the same entry
            content = (str(array.dtype), array.shape, array.tobytes())
            record["arrays"][key] = keys.setdefault(content, f"{case.name}.{key}")
            arrays[keys[content]] = array
        records.append(record)
    (folder / "cases.json").write_text(json.dumps({"version": VERSION, "cases": records}, indent=1) + "\n")
    # np.savez would write the time of day into the archive
    with zipfile.ZipFile(folder / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())


if __name__ == "__main__":
    write(FOLDER)
