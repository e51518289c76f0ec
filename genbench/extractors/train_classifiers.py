"""Train the classifiers that genbench ships: ``python -m genbench.extractors.train_classifiers digits|mnist``.

Training uses one thread, one seed and deterministic algorithms, so the file is bit-identical on the same machine with
the same version of torch.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from genbench.array_types import Array
from genbench.errors import GenbenchError, InputError
from genbench.extractors.classifier import QUALITY, Classifier
from genbench.extractors.classifier_network import Network, empty_network
from genbench.files.atomic_write import atomic_write

SEED = 0


class Split(NamedTuple):
    """Images uint8 [N, H, W] with labels int64 [N], for training and held out."""

    images: torch.Tensor
    labels: torch.Tensor
    held_out_images: torch.Tensor
    held_out_labels: torch.Tensor


@dataclass(frozen=True)
class Recipe:
    """Data and hyperparameters of a shipped classifier."""

    name: str
    data: str
    rule: str
    """Description of the split."""
    read: Callable[[Path], Split]
    epochs: int
    # Augmentation: the largest shift as a fraction of the side, rotation in degrees, and relative change of size.
    shift: float
    degrees: float
    scale: float
    # Optimisation, equal for both classifiers.
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2


def read_digits(root: Path) -> Split:
    """Split the digits that scikit-learn contains (UCI, 1,797 images of 8x8); ``root`` is not used."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    # stratified, so that both halves have the same share of each digit
    train, held_out, train_labels, held_out_labels = train_test_split(
        images, labels, test_size=0.5, stratify=labels, random_state=0
    )
    return Split(*map(torch.from_numpy, (train, train_labels, held_out, held_out_labels)))


def read_mnist(root: Path) -> Split:
    """Split the 10,000 images of MNIST's test files (28x28) in ``root/MNIST/raw``, where torchvision stores them."""
    # the headers have 16 bytes (images) and 8 bytes (labels)
    images = torch.from_numpy(_read_idx_file(root / "MNIST/raw/t10k-images-idx3-ubyte.gz", 16)).view(-1, 28, 28)
    labels = torch.from_numpy(_read_idx_file(root / "MNIST/raw/t10k-labels-idx1-ubyte.gz", 8)).long()
    return Split(images[:6000], labels[:6000], images[6000:], labels[6000:])


def _read_idx_file(path: Path, header: int) -> Array:
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy()
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); give with --root the folder in which torchvision stores MNIST."
        ) from error


# The strings ``data`` and ``rule`` are stored in the files, so a change of their text changes the files.
RECIPES = {
    "digits": Recipe(
        "digits",
        data="scikit-learn digits (UCI optical recognition of handwritten digits), uint8 as round(v * 255 / 16)",
        rule="train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)",
        read=read_digits,
        epochs=100,
        shift=0.1,
        degrees=10,
        scale=0.1,
    ),
    "mnist": Recipe(
        "mnist",
        data="MNIST t10k",
        rule="images 0 to 5,999 for training, 6,000 to 9,999 held out",
        read=read_mnist,
        epochs=40,
        shift=0.08,
        degrees=12,
        scale=0.12,
    ),
}


def train_classifier(recipe: Recipe, root: Path, out: Path) -> Classifier:
    """Train a classifier, write the weights and their record to ``out``, and return the classifier read from there."""
    split = recipe.read(root)
    with _deterministic():
        trained = _fit(recipe, split)
        record = _origin(recipe, split) | _held_out_results(trained, split)
    # The record is the metadata of the safetensors file.
    weights = {name: tensor.contiguous() for name, tensor in trained.state_dict().items()}
    with atomic_write(out) as temporary:
        save_file(weights, temporary, metadata={"genbench.classifier": json.dumps(record)})
    return Classifier(out)


@contextmanager
def _deterministic() -> Iterator[None]:
    # One thread, because the order of float32 sums depends on the number of threads.
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def _fit(recipe: Recipe, split: Split) -> Network:
    # One generator for initial values, order and augmentation: its order of use is part of the recipe.
    generator = torch.Generator().manual_seed(SEED)
    model = _initialised(split.images.shape[-1], generator)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
    gray = split.images[:, None].float() / 255  # [N, 1, size, size]
    steps_per_epoch = len(gray) // recipe.batch_size
    steps = recipe.epochs * steps_per_epoch
    for step in range(steps):
        # every epoch visits the images in a new order
        if step % steps_per_epoch == 0:
            order = torch.randperm(len(gray), generator=generator)
        rows = order[step % steps_per_epoch * recipe.batch_size :][: recipe.batch_size]
        loss = functional.cross_entropy(model(_augmented(gray[rows], recipe, generator)), split.labels[rows])
        # the learning rate follows half a cosine from its initial value to 0
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return model.eval()


def _initialised(size: int, generator: torch.Generator) -> Network:
    # torch's own initialisation draws from the global generator, so each kind of layer is initialised here
    model = empty_network(size).to_empty(device="cpu")
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.reset_parameters()
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def _augmented(gray: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Return the images [N, 1, size, size], each rotated, scaled and shifted at random."""
    turn, scale, across, down = torch.rand(4, len(gray), generator=generator) * 2 - 1  # each -1..1
    # rotation and change of size form a matrix of 2 x 2; the shift is its third column
    angle = turn * math.radians(recipe.degrees)
    factor = 1 + scale * recipe.scale
    cosine, sine = factor * angle.cos(), factor * angle.sin()
    # In affine_grid, an image extends from -1 to 1, so a fraction f of its side is 2 f.
    matrix = [cosine, -sine, 2 * recipe.shift * across, sine, cosine, 2 * recipe.shift * down]
    grid = functional.affine_grid(torch.stack(matrix, dim=1).view(-1, 2, 3), list(gray.shape), align_corners=False)
    return functional.grid_sample(gray, grid, align_corners=False)


def _origin(recipe: Recipe, split: Split) -> dict[str, str | int | float]:
    return {
        "size": split.images.shape[-1],
        "data": recipe.data,
        "split": recipe.rule,
        "train_count": len(split.labels),
        "seed": SEED,
        "torch": torch.__version__,
    }


def _held_out_results(trained: Network, split: Split) -> dict[str, int | float]:
    with torch.inference_mode():
        probability, mode = trained(split.held_out_images[:, None].float() / 255).softmax(dim=1).max(dim=1)
    count = len(split.held_out_labels)
    # counts as well as shares, so that the numbers can be checked
    correct = int((mode == split.held_out_labels).sum())
    return {
        "held_out_count": count,
        "held_out_correct": correct,
        "held_out_accuracy": correct / count,
        "quality": QUALITY,
        "held_out_quality": int((probability >= QUALITY).sum()) / count,
    }


@click.command()
@click.argument("name", type=click.Choice(sorted(RECIPES)))
@click.option("--root", type=click.Path(path_type=Path), default=Path("."), help="Folder that contains MNIST/raw.")
@click.option("--out", type=click.Path(path_type=Path), help="Output file (default: the file that genbench ships).")
def main(name: str, root: Path, out: Path | None) -> None:
    """Train a classifier that genbench ships and print its record."""
    try:
        classifier = train_classifier(RECIPES[name], root, out or Path(__file__).with_name(f"{name}.safetensors"))
    except GenbenchError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(classifier.record, indent=2))


if __name__ == "__main__":
    main()
