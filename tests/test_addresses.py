"""An address in place of a path is told in one sentence, wherever it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from genbench.cli import main
from genbench.errors import InputError, refuse_address

SIDES = ["--samples", "ring,count=50", "--reference", "ring,count=60"]


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "https://host/images.zip"],
        ["score", "--samples", "s3://bucket/images", "--reference", "ring"],
        ["score", "--samples", "ring", "--reference", "https://host/real.npz?version=1,final"],
        ["score", *SIDES, "--features", "https://host/net.pt"],
        ["score", *SIDES, "--features", "inception", "--weights", "https://host/weights.pth"],
        ["score", "--sampler", "hf://owner/generator.pt,latent=3", "--benchmark", "digits"],
        ["score", "--sampler", "noise", "--benchmark", "https://host/recipe"],
        ["score", "--sampler", "gan,weights=gs://bucket/gan.safetensors", "--benchmark", "digits"],
        ["table", "https://host/results.jsonl"],
        ["compare", "https://host/a.jsonl", "https://host/b.jsonl"],
    ],
)
def test_an_address_is_answered_with_what_to_do(words: list[str]) -> None:
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 1, outcome.output
    assert "is an address, and genbench does not download; fetch it first" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_file_address_is_answered_with_the_path() -> None:
    with pytest.raises(InputError, match="without file://"):
        refuse_address("file:///data/images")


@pytest.mark.parametrize(
    "text", ["images/a.png", "C:/images", "my_models:Blobs", "command:./make", "digits,split=test"]
)
def test_paths_and_specs_are_no_addresses(text: str) -> None:
    refuse_address(text)
    refuse_address(Path(text))
