"""Networks of timm give timm's own features, and say in one sentence which weights or options do not fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genbench.errors import InputError, UsageError
from genbench.extraction.forward import ForwardPass
from genbench.extractors.timm_networks import TimmNetwork
from tests.helpers.random_weights import smooth_images

timm: Any = pytest.importorskip("timm")

SQUARE = torch.from_numpy(smooth_images(3, size=40, seed=2))
WIDE = torch.from_numpy(smooth_images(2, size=230, seed=3))[:, :, :170]  # larger than the input of the networks
VIT, VIT_AVG, CONVNEXT = "test_vit.r160_in1k", "test_vit_relpos", "test_convnext.r160_in1k"


def random_network(model: str, **arguments: object) -> Any:
    """Return a network of timm with random weights that are not those of its initialisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = timm.create_model(model, **arguments).eval()
        for parameter in network.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return network


def saved(folder: Path, network: torch.nn.Module, name: str = "net.safetensors") -> Path:
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, folder / name)
    return folder / name


def timm_pixels(network: Any, images: torch.Tensor, **changes: object) -> torch.Tensor:
    """Return the input of a network as timm's documentation computes it, from files that Pillow opened."""
    config = {**timm.data.resolve_model_data_config(network), **changes}
    transform = timm.data.create_transform(**config, is_training=False)
    return torch.stack([transform(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in images])


@torch.inference_mode()
def timm_features(network: Any, pixels: torch.Tensor) -> torch.Tensor:
    features: torch.Tensor = network.forward_head(network.forward_features(pixels), pre_logits=True)
    return features


def assert_same(rows: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.std(dim=0).mean() > 1e-3  # the features depend on the image
    assert rows.dtype == torch.float32
    assert rows.shape == expected.shape
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("images", [SQUARE, WIDE], ids=["40x40", "170x230"])
@pytest.mark.parametrize("model", [VIT, VIT_AVG, CONVNEXT])
def test_the_features_and_logits_are_those_of_timms_own_pipeline(
    tmp_path: Path, model: str, images: torch.Tensor
) -> None:
    network = random_network(model)
    views = TimmNetwork(model, weights=saved(tmp_path, network))(images)
    pixels = timm_pixels(network, images)
    assert_same(views["embedding"], timm_features(network, pixels))
    with torch.inference_mode():
        assert_same(views["logits"], network(pixels))


def test_the_pool_may_be_the_class_token_the_mean_or_the_maximum(tmp_path: Path) -> None:
    network = random_network(VIT)
    weights, pixels = saved(tmp_path, network), timm_pixels(network, SQUARE)
    rows = {
        pool: TimmNetwork(VIT, pool, weights=weights)(SQUARE)["embedding"] for pool in ("cls", "token", "avg", "max")
    }
    assert torch.equal(rows["cls"], TimmNetwork(VIT, weights=weights)(SQUARE)["embedding"])
    assert torch.equal(rows["token"], rows["cls"])
    # timm's own pooling, with the norm before it
    for pool in ("avg", "max"):
        pooled = timm.create_model(VIT, global_pool=pool, fc_norm=False).eval()
        pooled.load_state_dict(network.state_dict())
        assert_same(rows[pool], timm_features(pooled, pixels))


def test_the_mean_over_positions_of_a_convolutional_network_leaves_out_the_norm_of_its_head(tmp_path: Path) -> None:
    network = random_network(CONVNEXT)
    rows = TimmNetwork(CONVNEXT, "avg", weights=saved(tmp_path, network))(SQUARE)["embedding"]
    with torch.inference_mode():
        maps = network.forward_features(timm_pixels(network, SQUARE))
    assert_same(rows, maps.mean(dim=(2, 3)))
    assert not torch.allclose(rows, timm_features(network, timm_pixels(network, SQUARE)))


def test_channels_may_be_the_last_axis(tmp_path: Path) -> None:
    network = random_network("test_mambaout")
    rows = TimmNetwork("test_mambaout", "avg", weights=saved(tmp_path, network))(SQUARE)["embedding"]
    with torch.inference_mode():
        maps = network.forward_features(timm_pixels(network, SQUARE))
    assert maps.shape[3] == network.num_features
    assert_same(rows, maps.mean(dim=(1, 2)))


@pytest.mark.parametrize("size", [96, 100])
def test_another_size_interpolates_the_positions_and_pads_to_whole_patches(tmp_path: Path, size: int) -> None:
    network = random_network(VIT)
    rows = TimmNetwork(VIT, size=size, weights=saved(tmp_path, network))(SQUARE)["embedding"]
    # timm's other way: weights whose positions are interpolated when they are loaded; 16 x 7 = 112
    side = {96: 96, 100: 112}[size]
    overlay = {"state_dict": network.state_dict()}
    built = timm.create_model(
        VIT, pretrained=True, pretrained_cfg_overlay=overlay, img_size=side, dynamic_img_size=False
    )
    pixels = timm_pixels(network, SQUARE, input_size=(3, size, size))
    padded = torch.nn.functional.pad(pixels, (0, side - size, 0, side - size))
    assert_same(rows, timm_features(built.eval(), padded))


def test_a_crop_of_1_keeps_all_of_a_square_image(tmp_path: Path) -> None:
    network = random_network(CONVNEXT)
    rows = TimmNetwork(CONVNEXT, crop=1, weights=saved(tmp_path, network))(SQUARE)["embedding"]
    assert timm.data.resolve_model_data_config(network)["crop_pct"] < 1
    assert_same(rows, timm_features(network, timm_pixels(network, SQUARE, crop_pct=1.0)))


def test_each_option_changes_the_identity_and_the_name(tmp_path: Path) -> None:
    weights = saved(tmp_path, random_network(VIT))
    options: list[dict[str, Any]] = [{}, {"pool": "avg"}, {"size": 96}, {"crop": 1.0}, {"precision": "bf16"}]
    made = [TimmNetwork(VIT, weights=weights, **option) for option in options]
    assert len({one.identity for one in made}) == len({one.name for one in made}) == len(options)
    # other weights and another network
    other = TimmNetwork(VIT, weights=saved(tmp_path, random_network(VIT, num_classes=0), "other.safetensors"))
    assert other.name == made[0].name
    assert other.identity != made[0].identity
    assert TimmNetwork(CONVNEXT, weights=weights).identity != made[0].identity


def test_the_identity_contains_timms_preprocessing_and_the_hash_of_the_weights(tmp_path: Path) -> None:
    from genbench.extractors.weights import file_sha256

    weights = saved(tmp_path, random_network(VIT))
    identity = TimmNetwork(VIT, weights=weights).identity
    for part in (file_sha256(weights), "'interpolation': 'bicubic'", "'crop_pct': 0.95", "'input_size': (3, 160, 160)"):
        assert part in identity


def test_the_name_contains_the_tag_of_timms_default_weights() -> None:
    assert TimmNetwork("test_vit").name == TimmNetwork(VIT).name == f"timm,model={VIT}"
    assert TimmNetwork("test_vit") == TimmNetwork(VIT)


def test_the_other_images_of_a_batch_change_a_row_by_rounding_only(tmp_path: Path) -> None:
    extractor = TimmNetwork(VIT, weights=saved(tmp_path, random_network(VIT)))
    together = extractor(SQUARE)["embedding"]
    for row, image in enumerate(SQUARE):
        torch.testing.assert_close(extractor(image[None])["embedding"][0], together[row], rtol=0, atol=1e-6)


def test_images_of_different_sizes_keep_their_order(tmp_path: Path) -> None:
    extractor = TimmNetwork(VIT, weights=saved(tmp_path, random_network(VIT)))
    mixed = [WIDE[0], SQUARE[0], WIDE[1], SQUARE[1]]
    rows = ForwardPass(extractor, print).views(mixed)["embedding"]
    for row, image in zip(rows, mixed, strict=True):
        np.testing.assert_allclose(row, extractor(image[None])["embedding"][0], rtol=0, atol=1e-6)


def test_bf16_is_near_and_gives_float32(tmp_path: Path) -> None:
    weights = saved(tmp_path, random_network(VIT))
    exact, rounded = (TimmNetwork(VIT, weights=weights, precision=one)(SQUARE) for one in ("fp32", "bf16"))
    for view, rows in rounded.items():
        assert rows.dtype == torch.float32
        error = (rows - exact[view]).norm() / exact[view].norm()
        assert 1e-5 < error < 0.05


@pytest.mark.parametrize(("classes", "width"), [(0, None), (7, 7), (1000, 1000)])
def test_there_are_logits_only_if_the_weights_have_a_classifier(
    tmp_path: Path, classes: int, width: int | None
) -> None:
    views = TimmNetwork(VIT, weights=saved(tmp_path, random_network(VIT, num_classes=classes)))(SQUARE)
    assert (views["logits"].shape[1] if "logits" in views else None) == width


def test_the_projection_of_clip_is_no_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = "vit_base_patch32_clip_224.openai"
    registered = timm.models.get_pretrained_cfg(model)
    assert registered.num_classes == 512
    # the same head on a small network
    extractor = TimmNetwork(VIT, weights=saved(tmp_path, random_network(VIT, num_classes=512)))
    assert "logits" in extractor(SQUARE)
    vars(extractor)["_pretrained"].num_classes = 512
    assert "logits" not in extractor(SQUARE)


def test_weights_in_the_format_of_a_publisher_are_converted_by_timm(tmp_path: Path) -> None:
    network = random_network(VIT, num_classes=0)
    torch.save({"model": {**network.state_dict(), "mask_token": torch.ones(1, 64)}}, tmp_path / "dinov2.pth")
    rows = TimmNetwork(VIT, weights=tmp_path / "dinov2.pth")(SQUARE)["embedding"]
    assert_same(rows, timm_features(network, timm_pixels(network, SQUARE)))


@pytest.mark.parametrize("model", [CONVNEXT, "dla46x_c"])
def test_the_message_names_weights_that_do_not_fit(tmp_path: Path, model: str) -> None:
    weights = saved(tmp_path, random_network(VIT), "vit.safetensors")
    with pytest.raises(InputError) as error:
        TimmNetwork(model, weights=weights)(SQUARE)
    message = str(error.value)
    assert "\n" not in message
    for part in ("vit.safetensors", f"does not fit timm,model={model}", "it lacks", "model.safetensors of timm/"):
        assert part in message


def test_building_a_network_keeps_the_callers_random_numbers(tmp_path: Path) -> None:
    weights = saved(tmp_path, random_network(VIT))
    before = torch.get_rng_state()
    TimmNetwork(VIT, "avg", 96, weights=weights)(SQUARE)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "vit_base_patch14_dino2"}, "did you mean 'vit_base_patch14_dinov2'"),
        ({"model": "qqqq"}, r"'qqqq'; timm\.list_models\(\) lists all\.$"),
        ({"model": "test_vit.r160"}, "no weights 'r160', did you mean 'test_vit.r160_in1k'"),
        ({"model": VIT, "pool": "class"}, "pool=class, did you mean 'cls'"),
        ({"model": VIT, "size": 0}, "size=0"),
        ({"model": VIT, "crop": 1.5}, "crop=1.5"),
        ({"model": CONVNEXT, "pool": "cls"}, "has no class token"),
        ({"model": "test_vit3", "pool": "cls"}, "has no class token"),  # its first token is a register
        ({"model": "coat_tiny", "pool": "avg"}, "does not say which features of coat_tiny"),
        ({"model": "swin_tiny_patch4_window7_224", "size": 225}, r"cannot be used with size=225 \(AssertionError"),
    ],
)
def test_wrong_options_are_reported_before_weights_are_searched(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        TimmNetwork(**options)


def test_without_timm_the_message_gives_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[timm\]'"):
        TimmNetwork(VIT)


FDR6 = {
    "timm,model=convnextv2_base.fcmae_ft_in22k_in1k,pool=avg,crop=1": 1024,
    "timm,model=vit_large_patch14_dinov2.lvd142m,size=256": 1024,
    "timm,model=vit_large_patch16_224.mae,crop=1": 1024,
    "timm,model=vit_so400m_patch16_siglip_256.v2_webli,size=224,crop=1": 1152,
    "timm,model=vit_large_patch14_clip_224.openai,size=256": 1024,
}
"""The encoders of FDr6 beside Inception, and the widths of their embeddings."""


@pytest.mark.parametrize("spec", FDR6)
def test_the_encoders_of_fdr6_can_be_built_and_take_their_size(spec: str) -> None:
    from genbench.extractors.timm_weights import skeleton
    from genbench.plugs.registry import load

    extractor: Any = load("extractors", f"{spec},precision=bf16")
    assert extractor.name == f"{spec},precision=bf16"
    with torch.inference_mode():
        network: Any = skeleton(extractor.model, **extractor._arguments)
        pixels = torch.zeros(2, *extractor._preprocessing["input_size"], device="meta")
        assert extractor._pooled(network, network.forward_features(pixels)).shape == (2, FDR6[spec])


def test_the_panel_and_the_documentation_list_the_encoders_of_fdr6() -> None:
    from genbench.scoring.panels import FDR6 as PANEL

    assert PANEL.extractors == ("inception", *FDR6)
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [spec for spec in FDR6 if f"`{spec}`" not in text] == []
