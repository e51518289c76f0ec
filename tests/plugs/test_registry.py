"""One string names anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genbench.errors import UsageError
from genbench.plugs import registry
from genbench.plugs.specs import Spec, parse_spec, parse_specs, split_specs


def test_an_option_belongs_to_the_name_before_it() -> None:
    assert parse_specs("is,splits=1,fd@digits,kid") == [
        Spec("is", {"splits": 1}),
        Spec("fd", {}, "digits"),
        Spec("kid"),
    ]


def test_a_list_is_split_at_the_commas_between_names_only() -> None:
    text = "fd@pixels,size=16, kid,degree=0.50,recall"
    # the parts keep the form in which they were written
    assert split_specs(text) == ["fd@pixels,size=16", "kid,degree=0.50", "recall"]
    assert [str(parse_spec(each)) for each in split_specs(text)] == [str(spec) for spec in parse_specs(text)]


def test_the_score_of_a_panel_is_a_name_although_it_holds_options() -> None:
    name = "fdr@pixels-size=2+pixels-size=3"
    assert split_specs(f"{name},recall") == [name, "recall"]


def test_values_are_numbers_truths_or_text() -> None:
    assert parse_spec("x,a=1,b=.5,c=true,d=none,e=text").options == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": None,
        "e": "text",
    }


def test_a_spec_reads_back_as_it_was_written() -> None:
    text = "acme.models:Fractal,depth=5,smooth=true"
    assert str(parse_spec(text)) == text


@pytest.mark.parametrize("text", ["splits=1", "fid,,is", ""])
def test_a_spec_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME"):
        parse_specs(text)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'prdcc', did you mean 'prdc'\?"):
        registry.load("metrics", "prdcc")


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no option 'split', did you mean 'splits'\?"):
        registry.load("metrics", "is,split=1")


def test_every_built_in_plug_can_be_loaded_and_says_what_it_is() -> None:
    for kind in registry.KINDS:
        for name, about in [(name, registry.plug(kind, name).summary) for name in registry.installed(kind)]:
            assert about, f"{kind} {name} has no docstring"


def test_a_guest_of_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_guest_module.py").write_text(
        "class Net:\n    def __init__(self, depth=1):\n        self.depth = depth\n"
    )
    monkeypatch.chdir(tmp_path)
    assert registry.load("samplers", "my_guest_module:Net,depth=3").depth == 3


def test_a_guest_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(UsageError, match="no_such_module_here"):
        registry.load("samplers", "no_such_module_here:thing")


def test_a_guest_without_the_attribute_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'dumps'"):
        registry.load("samplers", "json:dump_s")


def test_a_guests_function_is_bound_to_its_options_until_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_functions.py").write_text(
        "def draw(count, seed, scale=1):\n    return scale * count\n\ndef make(depth=1):\n    return ('made', depth)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert registry.load("samplers", "my_functions:draw,scale=3")(2, 0) == 6
    assert registry.load("samplers", "my_functions:make,depth=4") == ("made", 4)
    with pytest.raises(UsageError, match=r"no option 'scael', did you mean 'scale'"):
        registry.load("samplers", "my_functions:draw,scael=3")


def test_a_guests_network_takes_the_options_of_a_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_network.py").write_text("import torch\nnet = torch.nn.Linear(3, 2)\n")
    monkeypatch.chdir(tmp_path)
    assert registry.load("samplers", "my_network:net,latent=3").sample(5, seed=0).shape == (5, 2)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("metrics", "is,splits=1.5", "needs a whole number as option 'splits', not 1.5"),
        ("metrics", "is,splits=true", "needs a whole number as option 'splits', not True"),
        ("metrics", "ndb,alpha=high", "needs a number as option 'alpha', not 'high'"),
        ("benchmarks", "folder,path=x,quick=1.5", "needs a whole number as option 'quick', not 1.5"),
    ],
)
def test_an_option_of_the_wrong_kind_is_a_usage_error(kind: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.load(kind, text)


def test_a_whole_number_is_a_number() -> None:
    assert registry.load("metrics", "rke,sigma=1").sigma == 1


def test_a_number_is_a_text_where_only_a_text_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("2024.npy", np.zeros((2, 3), np.float32))
    Path("2024.npy").rename("2024")
    assert len(registry.load("sources", "npy,path=2024")) == 2
