"""Panels: ratios of distances in the features of several extractors, from one pass over each side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import genbench
from genbench.errors import InputError, UsageError
from genbench.features.chosen_rows import chosen_rows, class_order
from genbench.features.features import Features, Moments
from genbench.metrics.frechet import FrechetDistance, frechet_distance_of_rows
from genbench.metrics.kernel import KernelDistance
from genbench.metrics.sliced import MongeDistance, monge_distance
from genbench.plugs.contracts import Batch
from genbench.scoring.panel_error import BY_INFLUENCE, BY_JACKKNIFE, BY_JACKKNIFE_AND_SPLITS, Ratios, Trio, ratios_of
from genbench.scoring.panels import Panel, open_panel
from genbench.tables.result_table import result_text
from tests.cli.commands import refused, run

ORDER = np.random.default_rng(0).permutation(1797)
IMAGES: np.ndarray = np.repeat(load_digits().images[ORDER, ..., None] * 255 / 16, 3, axis=3).astype(np.uint8)
LABELS = load_digits().target[ORDER]
GENERATED, REFERENCE, FLOOR = IMAGES[:300], IMAGES[300:900], IMAGES[900:1200]

FIVE = ("pixels,size=2", "pixels,size=3", "pixels,size=4", f"{__name__}:first_net", f"{__name__}:second_net")

MEAN_OF_TWO = np.array([0.5, 0.5])
MEAN_OF_FIVE = f"fdr@pixels-size=2+pixels-size=3+pixels-size=4+{FIVE[3]}+{FIVE[4]}"


def random_net(seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return torch.nn.Sequential(ToFloat(), net, torch.nn.Flatten())


class ToFloat(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float() / 255


first_net, second_net = random_net(1), random_net(2)


@dataclass
class CountingSource:
    """Images that count how often each of them is read."""

    images: np.ndarray
    name: str = "counted"
    read: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.read = np.zeros(len(self.images), int)

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        stop = len(self) if stop is None else stop
        for at in range(start, stop, size):
            rows = np.arange(at, min(at + size, stop))
            self.read[rows] += 1
            yield Batch(torch.from_numpy(rows), torch.from_numpy(self.images[rows]).permute(0, 3, 1, 2))


def gaussian(
    rng: np.random.Generator, count: int, shift: float = 0.0, *, repeated: int = 1
) -> tuple[Features, Features]:
    """Return two encoders' features of the same rows, in 4 and 3 dimensions or ``repeated`` times as many."""
    rows = rng.standard_normal((count, 4 * repeated)) * np.tile([1, 2, 0.5, 1], repeated) + shift
    mixed = np.kron(np.eye(repeated), [[1, 0.5, 0], [0, 1, 0.5], [0.5, 0, 1], [1, 1, 1]])
    second = np.tanh(rows @ mixed / 3)
    return Features.of(embedding=np.float32(rows)), Features.of(embedding=np.float32(second))


def ratios(*sides: tuple[Features, ...]) -> Ratios:
    distance = partial(FrechetDistance().row_influence, seed=0)
    return ratios_of(distance, [Trio(*trio) for trio in zip(*sides, strict=True)])


def test_each_image_of_each_side_is_read_once_for_five_extractors_and_another_metric() -> None:
    sides = [CountingSource(images) for images in (GENERATED, REFERENCE, FLOOR)]
    genbench.score(sides[0], reference=sides[1], floor=sides[2], panel=",".join(FIVE), cache=False)
    for side in sides:
        assert (side.read == 1).all()
    # with metrics in the features of a further extractor
    sides = [CountingSource(images) for images in (GENERATED, REFERENCE, FLOOR)]
    options: dict[str, Any] = {"panel": ",".join(FIVE), "features": "pixels", "metrics": "kid,prdc", "cache": False}
    genbench.score(sides[0], reference=sides[1], floor=sides[2], **options)
    for side in sides:
        assert (side.read == 1).all()


def test_each_image_is_read_once_for_metrics_of_several_extractors() -> None:
    sides = [CountingSource(images) for images in (GENERATED, REFERENCE)]
    metrics = f"fd,kid@{__name__}:first_net,fd@{__name__}:second_net"
    genbench.score(sides[0], reference=sides[1], features="pixels", metrics=metrics, cache=False)
    for side in sides:
        assert (side.read == 1).all()


def test_a_panel_has_the_distances_of_single_scores_bit_for_bit() -> None:
    found = genbench.score(GENERATED, reference=REFERENCE, floor=FLOOR, panel=",".join(FIVE))
    assert [entry.name for entry in found.scores] == [MEAN_OF_FIVE, *(f"fdr@{name}" for name in FIVE)]
    for name in FIVE:
        values = [
            next(
                entry.value
                for entry in genbench.score(side, reference=REFERENCE, features=name, metrics="fd").scores
                if entry.name == f"fd@{name}"
            )
            for side in (GENERATED, FLOOR)
        ]
        entry = found[f"fdr@{name}"]
        assert [entry.detail["distance"], entry.detail["floor"]] == values
        assert entry.value == values[0] / values[1]
    assert found.scores[0].value == pytest.approx(np.mean([entry.value for entry in found.scores[1:]]), rel=1e-14)


def test_mind_of_a_panel_is_that_of_a_single_score_bit_for_bit() -> None:
    options: dict[str, Any] = {"reference": REFERENCE[:300], "seed": 3}
    found = genbench.score(GENERATED, floor=FLOOR, panel="pixels,size=2,pixels,size=3", panel_metric="mind", **options)
    single = genbench.score(GENERATED, features="pixels,size=3", metrics="mind", **options)
    assert found["mindr@pixels,size=3"].detail["distance"] == single["mind@pixels,size=3"].value


def test_a_ratio_is_that_of_the_closed_form_in_one_dimension() -> None:
    rng = np.random.default_rng(0)
    sides = [rng.normal(mean, 1, (60, 1)).astype(np.float32) for mean in (1, 0, 0)]
    found = genbench.score(sides[0], reference=sides[1], floor=sides[2], panel="points")
    # (difference of means)^2 + (difference of standard deviations)^2
    x, y, z = (np.float64(side) for side in sides)
    distances = [(side.mean() - y.mean()) ** 2 + (side.std(ddof=1) - y.std(ddof=1)) ** 2 for side in (x, z)]
    assert [entry.name for entry in found.scores] == ["fdr@points"]
    assert found["fdr@points"].value == pytest.approx(distances[0] / distances[1], rel=1e-9)


def test_two_equal_encoders_have_the_error_of_one() -> None:
    rng = np.random.default_rng(0)
    sides = [gaussian(rng, count, shift)[0] for count, shift in ((300, 0.3), (900, 0), (300, 0))]
    one = ratios(*((side,) for side in sides))
    two = ratios(*((side, side) for side in sides))
    assert two.error(np.array([0.5, 0.5])) == pytest.approx(one.error(np.array([1.0])), rel=1e-9)
    # independent encoders would have an error smaller by the root of two
    assert two.error(np.array([1.0, -1.0])) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_error_is_the_spread_over_repetitions(shift: float) -> None:
    rng = np.random.default_rng(7)
    # in few dimensions the floor varies by half of itself, and the delta method is rough
    sample = partial(gaussian, rng, repeated=4)
    found = [ratios(sample(300, shift), sample(900), sample(300)) for _ in range(120)]
    weights = np.array([0.5, 0.5])
    # ratios are skewed, so the logarithms are compared
    logs = np.log([weights @ one.values for one in found])
    errors = [one.error(weights) / (weights @ one.values) for one in found]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(logs.std(ddof=1), rel=0.3)
    assert {one.method for one in found} == {BY_INFLUENCE}


def test_far_from_the_reference_the_first_order_is_the_error() -> None:
    rng = np.random.default_rng(5)
    reference = gaussian(rng, 2000)[0]
    found = ratios_of(
        partial(FrechetDistance().row_influence, seed=0), [Trio(gaussian(rng, 2000, 3.0)[0], reference, 1.0)]
    )
    assert found.sides is not None
    first = sum(len(rows) * rows.var(ddof=1) for rows in found.sides if len(rows))
    assert found.covariance[0, 0] == pytest.approx(first, rel=0.1)


def test_few_rows_for_the_dimensions_have_an_error_from_the_jackknife() -> None:
    rng = np.random.default_rng(1)
    sides = [(Features.of(embedding=rng.standard_normal((count, 90))),) for count in (80, 200, 80)]
    found = ratios(*sides)
    assert found.method == BY_JACKKNIFE_AND_SPLITS
    assert found.degrees == 19
    assert found.error(np.ones(1)) > 0
    assert found.influence(np.ones(1)) is None


def test_the_error_of_few_rows_is_the_spread_over_repetitions() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found.append(ratios(*((Features.of(embedding=rng.standard_normal((n, 30))),) for n in (30, 90, 30))))
    spread = np.std([one.values[0] for one in found], ddof=1)
    assert np.mean([one.error(np.ones(1)) for one in found]) == pytest.approx(spread, rel=0.4)


def test_the_moments_of_a_file_leave_the_jackknife_alone() -> None:
    rng = np.random.default_rng(3)
    sides = [Features.of(embedding=rng.standard_normal((60, 50))) for _ in range(2)]
    found = ratios_of(
        partial(FrechetDistance().row_influence, seed=0), [Trio(sides[0], Moments(np.zeros(50), np.eye(50)), sides[1])]
    )
    assert found.method == BY_JACKKNIFE


def test_the_reference_itself_has_a_ratio_of_zero_without_an_error() -> None:
    rng = np.random.default_rng(4)
    reference = gaussian(rng, 300)
    found = ratios(reference, reference, gaussian(rng, 300))
    assert found.values.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert found.error(MEAN_OF_TWO) == pytest.approx(0, abs=1e-6)


def test_a_panel_is_refused_where_samples_are_drawn_until_they_decide() -> None:
    with pytest.raises(UsageError, match="leave out panel"):
        genbench.score(GENERATED, reference=REFERENCE, panel="pixels", until=genbench.Until(IMAGES[900:]))


def test_the_groups_of_an_influence_have_the_variance_of_the_error() -> None:
    rng = np.random.default_rng(2)
    found = ratios(gaussian(rng, 320, 0.2), gaussian(rng, 640), gaussian(rng, 320))
    weights = np.array([0.5, 0.5])
    influence = found.influence(weights)
    assert influence is not None
    variance = sum(32 / 31 * sum(np.square(side)) for side in (influence.generated, influence.reference))
    assert np.sqrt(variance) == pytest.approx(found.error(weights), rel=1e-6)


def test_the_kernel_distance_of_a_panel_is_the_v_statistic() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((50, 3)) + 1, rng.standard_normal((70, 3))
    found = KernelDistance().row_influence(Features.of(embedding=x), Features.of(embedding=y), seed=0)
    # all pairs, those of a row with itself included
    xx, yy, xy = ((a @ b.T / 3 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    assert found.value == pytest.approx(xx.mean() + yy.mean() - 2 * xy.mean(), rel=1e-10)


@pytest.mark.parametrize("metric", [FrechetDistance(), KernelDistance(), MongeDistance(projections=200)])
def test_the_influences_of_rows_add_up_to_the_change_when_they_are_left_out(metric: Any) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((400, 3)) * [1, 2, 1] + 1, rng.standard_normal((400, 3))
    sides = Features.of(embedding=x), Features.of(embedding=y)
    found = metric.row_influence(*sides, seed=0)
    assert found.generated is not None
    assert found.reference is not None
    changes = []
    for _ in range(25):
        # both sides lose 20 rows, because MIND draws rows of the larger side
        kept = [np.sort(rng.permutation(400)[:380]) for _ in sides]
        change = metric.row_influence(*map(chosen_rows, sides, kept), seed=0).value - found.value
        expected = sum(own[rows].sum() for own, rows in zip((found.generated, found.reference), kept, strict=True))
        changes.append((change, expected * 400 / 380))
    change, expected = np.array(changes).T
    assert np.corrcoef(change, expected)[0, 1] > 0.95
    assert np.polyfit(expected, change, 1)[0] == pytest.approx(1, abs=0.15)


def test_without_a_floor_the_reference_is_halved_by_class_and_this_is_said() -> None:
    reference = [(torch.from_numpy(IMAGES[300:900]).permute(0, 3, 1, 2), torch.from_numpy(LABELS[300:900]))]
    found = genbench.score(IMAGES[:200], reference=reference, panel="pixels,size=3,pixels,size=2")
    assert any("There is no --floor: 300 of the 600 reference samples are the floor" in hint for hint in found.hints)
    assert any("uses 200 of the 300 samples of half of" in hint for hint in found.hints)
    assert found.floor is not None
    assert found.floor.count == 200
    assert found.scores[0].detail["floor_from"] == "half of the reference"
    assert found.scores[0].detail["reference"] == 300
    # the halves are given by hand
    order = class_order(LABELS[300:900], 600, 2020)
    floor, other = (IMAGES[300:900][np.sort(rows)] for rows in (order[0::2][np.arange(200) * 300 // 200], order[1::2]))
    by_hand = genbench.score(IMAGES[:200], reference=other, floor=floor, panel="pixels,size=3,pixels,size=2")
    assert found.scores[1].detail["distance"] == pytest.approx(by_hand.scores[1].detail["distance"], rel=1e-9)
    assert found.scores[1].detail["floor"] == pytest.approx(by_hand.scores[1].detail["floor"], rel=1e-9)


def test_halves_have_the_classes_of_the_whole() -> None:
    label = np.repeat(np.arange(5), [10, 20, 30, 6, 34])
    order = class_order(label, 100, 1)
    assert sorted(order) == list(range(100))
    assert np.abs(np.bincount(label[order[0::2]]) - np.bincount(label[order[1::2]])).max() == 0


def test_the_larger_of_generated_samples_and_floor_is_cut_to_the_smaller() -> None:
    found = genbench.score(GENERATED, reference=REFERENCE, floor=IMAGES[900:1400], panel="pixels,size=2")
    assert found.floor is not None
    assert (found.floor.count, found.generated.count) == (300, 300)
    other = genbench.score(IMAGES[:500], reference=IMAGES[500:900], floor=IMAGES[900:1200], panel="pixels,size=2")
    assert "rows=300" in other.metrics[0]
    assert any("uses 300 of the 500 samples" in hint for hint in other.hints)


def test_results_of_other_floors_panels_or_counts_are_not_compared() -> None:
    options: dict[str, Any] = {"reference": REFERENCE, "panel": "pixels,size=2,pixels,size=3"}
    first = genbench.score(GENERATED, floor=FLOOR, **options)
    others = [
        genbench.score(IMAGES[1500:], floor=IMAGES[1200:1500], **options),
        genbench.score(IMAGES[1200:1500], reference=REFERENCE, floor=FLOOR, panel="pixels,size=3,pixels,size=2"),
        genbench.score(IMAGES[1200:1500], floor=FLOOR, panel_metric="mind", **options),
    ]
    for other in others:
        with pytest.raises(InputError, match="cannot be compared"):
            genbench.compare(first, other)


def test_two_subjects_of_one_panel_are_compared_with_an_error() -> None:
    options: dict[str, Any] = {"reference": REFERENCE, "floor": FLOOR, "panel": "pixels,size=2,pixels,size=3"}
    dark = (IMAGES[1200:1500] * 0.7).astype(np.uint8)
    results = [genbench.score(GENERATED, name="real", **options), genbench.score(dark, name="dark", **options)]
    difference = genbench.compare(*results, metrics=results[0].scores[0].name).differences[0]
    assert difference.error is not None
    assert difference.significant
    # the ratio of a far subject depends on the floor, which both share
    assert difference.reference_error > 0


def test_a_result_with_a_panel_is_read_as_it_was_written(tmp_path: Path) -> None:
    from genbench.results import read_results

    found = genbench.score(GENERATED, reference=REFERENCE, floor=FLOOR, panel="pixels,size=2,pixels,size=3")
    found.append(tmp_path / "results.jsonl")
    (again,) = read_results(tmp_path / "results.jsonl")
    assert again.floor == found.floor
    assert again.protocol == found.protocol
    assert again.scores[0].influence == found.scores[0].influence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"panel": "ofline"}, "no panel or extractor called 'ofline', did you mean 'offline'"),
        ({"panel": "pixels,incption"}, "called 'incption', did you mean 'inception'"),
        ({"panel": "offline,pixels"}, "'offline' is a whole panel"),
        ({"panel": "fd@pixels"}, "choose a distance with --panel-metric"),
        ({"panel": "pixels,pixels,size=16"}, "has the extractor 'pixels' twice"),
        ({"panel": "pixels", "panel_metric": "mid"}, "panel metric called 'mid', did you mean 'mind'"),
        ({"floor": FLOOR, "metrics": "fd@pixels"}, "--floor belongs to a panel"),
        ({"panel": "pixels", "floor": "published"}, "no published fd floors of the panel 'pixels'"),
        ({"panel": "pixels", "reference": None}, "add --reference PATH"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        genbench.score(GENERATED, **{"reference": REFERENCE, **options})


@pytest.mark.parametrize(("floor", "role"), [(GENERATED, "generated samples"), (REFERENCE[:300], "reference")])
def test_a_floor_of_the_same_samples_is_refused(floor: np.ndarray, role: str) -> None:
    with pytest.raises(InputError, match=f"and the {role} are the same samples"):
        genbench.score(GENERATED, reference=REFERENCE[:300], floor=floor, panel="pixels,size=2")


def test_samples_that_the_floor_shares_with_the_reference_are_told() -> None:
    floor = np.concatenate([FLOOR[:200], REFERENCE[:100]])
    found = genbench.score(GENERATED, reference=REFERENCE, floor=floor, panel="pixels,size=2")
    assert any("100 samples of the floor" in warning for warning in found.warnings)


def test_the_text_of_a_panel_says_that_1_is_perfect() -> None:
    found = genbench.score(GENERATED, reference=REFERENCE, floor=FLOOR, panel="pixels,size=2,pixels,size=3")
    assert result_text(found).count("perfect: 1") == 3


def test_a_statistics_file_is_the_reference_of_a_panel_of_one_extractor_with_a_floor(tmp_path: Path) -> None:
    from genbench.features.statistics_files import write_statistics

    write_statistics(genbench.features_of(REFERENCE, features="pixels,size=2").moments(), tmp_path / "real.npz")
    options: dict[str, Any] = {"reference": tmp_path / "real.npz", "floor": FLOOR}
    found = genbench.score(GENERATED, panel="pixels,size=2", **options)
    rows = [genbench.features_of(side, features="pixels,size=2")["embedding"] for side in (GENERATED, REFERENCE, FLOOR)]
    expected = frechet_distance_of_rows(rows[0], rows[1]) / frechet_distance_of_rows(rows[2], rows[1])
    assert found["fdr@pixels,size=2"].value == pytest.approx(expected, rel=1e-6)
    with pytest.raises(UsageError, match="cannot be halved; add --floor"):
        genbench.score(GENERATED, panel="pixels,size=2", reference=tmp_path / "real.npz")
    with pytest.raises(UsageError, match="mean and covariance of one extractor"):
        genbench.score(GENERATED, panel="pixels,size=2,pixels,size=3", **options)


def test_published_floors_divide_the_distances_of_as_many_samples() -> None:
    rng = np.random.default_rng(0)
    generated, reference = (Features.of(embedding=rng.standard_normal((200, 3))) for _ in range(2))
    found = ratios_of(partial(FrechetDistance().row_influence, seed=0), [Trio(generated, reference, 0.25)])
    assert found.values[0] == pytest.approx(
        frechet_distance_of_rows(generated["embedding"], reference["embedding"]) / 0.25, rel=1e-12
    )
    assert found.error(np.ones(1)) > 0


def test_published_floors_stay_with_their_extractors_if_one_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    extractors = ("no.such:net", "pixels,size=2")
    panel = Panel("mine", extractors, floors=(7.0, 2.0), floor_count=len(GENERATED), may_lack=True)
    monkeypatch.setattr("genbench.scoring.panel.open_panel", lambda text: panel)
    found = genbench.score(GENERATED, reference=REFERENCE, floor="published", panel="mine", cache=False)
    assert found.scores[-1].detail["floor"] == 2.0


def test_a_panel_leaves_out_what_cannot_be_opened_only_if_it_may() -> None:
    assert open_panel("offline").may_lack
    generated, reference, floor = GENERATED[:40], REFERENCE[:40], FLOOR[:40]
    found = genbench.score(generated, reference=reference, floor=floor, panel="offline")
    assert "fdr@offline" in [entry.name for entry in found.scores]
    with pytest.raises(genbench.GenbenchError):
        genbench.score(generated, reference=reference, floor=floor, panel="pixels,no.such:net")


def test_a_list_has_a_readable_name() -> None:
    panel = open_panel("inception,resize=clean,pixels")
    assert panel == Panel("inception+pixels", ("inception,resize=clean", "pixels"), "a list of extractors")


def test_the_published_floors_belong_to_the_extractors_in_order() -> None:
    panel = open_panel("fdr6")
    assert len(panel.floors) == len(panel.extractors) == 6
    assert dict(zip(panel.extractors, panel.floors, strict=True))["inception"] == 1.68


def test_chosen_rows_are_those_of_the_whole_in_every_view() -> None:
    views = {"embedding": np.arange(20.0).reshape(10, 2), "mode": np.arange(10)}
    blocks = [{name: rows[:6] for name, rows in views.items()}, {name: rows[6:] for name, rows in views.items()}]
    whole = Features(blocks, fingerprint="ab", label=np.arange(10) % 3)
    part = chosen_rows(whole, np.array([1, 5, 6, 9]))
    assert part["embedding"].tolist() == views["embedding"][[1, 5, 6, 9]].tolist()
    assert part["mode"].tolist() == [1, 5, 6, 9]
    assert part.label is not None
    assert part.label.tolist() == [1, 2, 0, 0]
    assert len(part) == 4
    assert part.fingerprint not in ("", "ab")
    assert part.moments().mean.tolist() == views["embedding"][[1, 5, 6, 9]].mean(axis=0).tolist()
    assert chosen_rows(whole, np.arange(10)) is whole


def test_the_command_line_scores_a_panel(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from genbench.cli import main

    for name, images in (("out", GENERATED[:60]), ("real", REFERENCE[:80]), ("held", FLOOR[:60])):
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
    words = ["score", "--samples", tmp_path / "out", "--reference", tmp_path / "real", "--floor", tmp_path / "held"]
    answer = CliRunner().invoke(main, [*map(str, words), "--panel", "pixels,size=2,pixels,size=3"])
    assert answer.exit_code == 0, answer.output
    assert "fdr@pixels-size=2+pixels-size=3" in answer.output


def test_the_command_line_takes_published_floors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, images in (("out", GENERATED[:60]), ("real", REFERENCE[:80])):
        np.save(tmp_path / f"{name}.npy", images)
    words = [str(tmp_path / "out.npy"), str(tmp_path / "real.npy"), "--floor", "published", "--panel"]
    # no paper has distances of this panel
    assert "no published fd floors of the panel 'offline'" in refused("score", *words, "offline", code=2)
    panel = Panel("pixels", ("pixels,size=2",), floors=(2.0,), floor_count=60)
    monkeypatch.setattr("genbench.scoring.panel.open_panel", lambda text: panel)
    answer = run("score", *words, "pixels", "--json")
    assert json.loads(answer.stdout)["scores"][0]["detail"]["floor"] == 2.0


def test_moments_have_no_rows_to_choose() -> None:
    moments = Moments(np.zeros(2), np.eye(2))
    rows = Features.of(embedding=np.random.default_rng(0).standard_normal((50, 2)))
    trio = Trio(rows, moments, 1.0).of_rows(lambda side: np.arange(25))
    assert (len(trio.generated), trio.reference, trio.floor) == (25, moments, 1.0)


def test_mind_of_a_panel_draws_the_rows_that_the_metric_draws() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((60, 3)), rng.standard_normal((90, 3))
    found = MongeDistance(projections=50).row_influence(Features.of(embedding=x), Features.of(embedding=y), seed=2)
    assert found.value == monge_distance(x, y, projections=50, seed=2).value
    assert found.reference is not None
    assert (found.reference == 0).sum() >= 30
