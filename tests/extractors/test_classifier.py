"""The classifiers that genbench ships, and the script that trains them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from genbench.errors import InputError, PlugError, UsageError
from genbench.extractors.classifier import Classifier, digits_classifier, mnist_classifier
from genbench.extractors.raw import resize_antialiased
from genbench.extractors.train_classifiers import RECIPES, main, read_digits, read_mnist, train_classifier
from genbench.plugs.contracts import Extractor

DATA = Path(__file__).parents[3] / "shared" / "data"
SHIPPED = {"digits": digits_classifier, "mnist": mnist_classifier}


def rgb(gray):
    return gray[:, None].expand(-1, 3, -1, -1)


def held_out(name):
    if name == "mnist" and not (DATA / "MNIST/raw").is_dir():
        pytest.skip("needs MNIST's test files")
    split = (read_digits if name == "digits" else read_mnist)(DATA)
    return rgb(split.held_out_images), split.held_out_labels


@pytest.mark.parametrize(("name", "least"), [("digits", 0.97), ("mnist", 0.985)])
def test_the_shipped_weights_have_the_held_out_accuracy_of_their_record(name, least):
    images, labels = held_out(name)
    classifier = SHIPPED[name]()
    correct = int((classifier(images)["mode"] == labels).sum())
    # another processor may round differently, which can change the class of one image
    assert abs(correct - classifier.record["held_out_correct"]) <= 1
    assert correct / len(labels) >= least


@pytest.mark.parametrize("name", SHIPPED)
def test_nearly_all_held_out_real_digits_count_as_high_quality(name):
    images, labels = held_out(name)
    classifier = SHIPPED[name]()
    share = classifier(images)["quality"].float().mean().item()
    assert share == pytest.approx(classifier.record["held_out_quality"], abs=2 / len(labels))
    assert share >= 0.985


@pytest.mark.parametrize("name", SHIPPED)
def test_the_record_describes_the_origin_of_the_weights(name):
    record = SHIPPED[name]().record
    expected = {"data", "split", "train_count", "held_out_count", "held_out_accuracy", "seed", "torch", "quality"}
    assert expected <= set(record)
    assert record["held_out_accuracy"] == record["held_out_correct"] / record["held_out_count"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_stays_below_half_a_megabyte(name):
    import genbench.extractors

    assert (Path(genbench.extractors.__file__).parent / f"{name}.safetensors").stat().st_size < 500_000


def test_the_halves_of_digits_together_are_all_rows():
    split = read_digits(Path())
    assert (len(split.images), len(split.held_out_images)) == (898, 899)
    assert split.images.max() == 255
    rows = torch.cat([split.images, split.held_out_images]).double().sum()
    from sklearn.datasets import load_digits

    assert rows == np.rint(load_digits().data * 255 / 16).sum()


def test_the_views_have_the_types_of_the_contract():
    classifier = digits_classifier()
    views = classifier(rgb(read_digits(Path()).images[:5]))
    assert {view: (rows.dtype, list(rows.shape)) for view, rows in views.items()} == {
        "embedding": (torch.float32, [5, 64]),
        "logits": (torch.float32, [5, 10]),
        "mode": (torch.int64, [5]),
        "quality": (torch.bool, [5]),
    }
    assert isinstance(classifier, Extractor)
    assert (classifier.name, classifier.modes) == ("digits", 10)
    assert classifier.class_names == tuple("0123456789")


def test_the_embedding_of_real_digits_has_a_covariance_of_full_rank():
    images, _ = held_out("digits")
    spectrum = np.linalg.eigvalsh(np.cov(digits_classifier()(images)["embedding"].double().numpy(), rowvar=False))
    assert spectrum.min() > 1e-3


def test_an_image_of_another_size_is_resized_to_the_size_of_training():
    images, _ = held_out("digits")
    enlarged = images[:50].repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    small = resize_antialiased(enlarged, 8)
    assert small.shape == (50, 3, 8, 8)
    assert torch.equal(
        digits_classifier()(enlarged)["mode"], digits_classifier()(small.round().to(torch.uint8))["mode"]
    )


def test_only_the_mean_of_the_colours_matters():
    gray = read_digits(Path()).images[:20]
    offset = torch.minimum(gray, 255 - gray)
    coloured = torch.stack([gray - offset, gray, gray + offset], dim=1)
    assert not torch.equal(coloured, rgb(gray))
    assert torch.equal(digits_classifier()(coloured)["logits"], digits_classifier()(rgb(gray))["logits"])


def test_the_batch_changes_the_numbers_by_rounding_only():
    images, _ = held_out("digits")
    batched = digits_classifier()(images[:64])["embedding"]
    single = torch.cat([digits_classifier()(row[None])["embedding"] for row in images[:64]])
    torch.testing.assert_close(batched, single, rtol=1e-5, atol=1e-5)


def test_making_a_classifier_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    digits_classifier()
    assert torch.equal(before, torch.get_rng_state())


def test_the_threshold_of_quality_is_an_option_and_part_of_the_identity():
    images, _ = held_out("digits")
    strict = digits_classifier(quality=0.999)
    assert strict.name == "digits,quality=0.999"
    assert strict.identity != digits_classifier().identity
    assert strict(images)["quality"].sum() < digits_classifier()(images)["quality"].sum()


@pytest.mark.parametrize("quality", [90, -0.1, "high"])
def test_a_threshold_that_is_not_a_probability_is_rejected(quality):
    with pytest.raises(UsageError, match=f"quality={quality}"):
        digits_classifier(quality=quality)


def test_the_identity_holds_the_hash_of_the_weights():
    assert digits_classifier().identity != mnist_classifier().identity
    assert len(digits_classifier().identity.rpartition("weights=")[2]) == 64


def test_points_are_rejected():
    with pytest.raises(PlugError, match=r"'digits' expects images"):
        digits_classifier()(torch.zeros(4, 2))


@pytest.mark.parametrize("content", [None, b"", b"text that is not a safetensors file"])
def test_the_message_names_a_file_that_is_not_a_classifier(content, tmp_path):
    path = tmp_path / "mine.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.safetensors is not the file of a classifier"):
        Classifier(path)


def test_the_message_names_the_file_with_weights_of_another_network(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "mine.safetensors"
    save_file({"other": torch.zeros(2)}, path, metadata={"genbench.classifier": '{"size": 8}'})
    with pytest.raises(InputError, match="weights of another network"):
        Classifier(path)


def test_training_on_mnist_without_its_files_names_the_file_and_the_option(tmp_path):
    result = CliRunner().invoke(main, ["mnist", "--root", str(tmp_path), "--out", str(tmp_path / "new.safetensors")])
    assert result.exit_code == 1
    assert "t10k-images-idx3-ubyte.gz cannot be read" in result.output
    assert "--root" in result.output
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.slow
def test_training_digits_again_gives_the_shipped_file(tmp_path):
    shipped = digits_classifier()
    trained = train_classifier(RECIPES["digits"], DATA, tmp_path / "digits.safetensors")
    if trained.identity != shipped.identity:  # another processor or version of torch rounds differently
        assert trained.record["held_out_accuracy"] == pytest.approx(shipped.record["held_out_accuracy"], abs=0.01)


@pytest.mark.slow
def test_training_twice_gives_the_same_bytes(tmp_path):
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    for number, path in enumerate(files):
        torch.manual_seed(number)  # the global generator must not matter
        train_classifier(RECIPES["digits"], DATA, path)
    assert files[0].read_bytes() == files[1].read_bytes()
