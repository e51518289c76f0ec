"""Decoding of one image to uint8 RGB."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, PngImagePlugin

from genbench.sources import decoding
from genbench.sources.decoding import Decoded, TooLarge, Unreadable, decode, decode_within, to_rgb


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_rgb_image_is_read_back_unchanged() -> None:
    rgb = noise(5, 7, 3)
    image_array = decode(encoded(Image.fromarray(rgb)))
    assert image_array.dtype == np.uint8
    assert np.array_equal(image_array, rgb.transpose(2, 0, 1))


def test_gray_is_replicated() -> None:
    gray = noise(5, 7)
    assert np.array_equal(decode(encoded(Image.fromarray(gray))), np.stack([gray] * 3))


def test_alpha_is_dropped_and_not_blended() -> None:
    rgba = noise(5, 7, 4)
    assert np.array_equal(decode(encoded(Image.fromarray(rgba))), rgba[..., :3].transpose(2, 0, 1))


def test_a_palette_with_transparency_is_expanded_without_a_warning() -> None:
    image = Image.fromarray(noise(5, 7) % 4, "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_array = decode(encoded(image, transparency=bytes([0, 128, 255, 7])))
    palette = np.arange(10, 130, 10, dtype=np.uint8).reshape(4, 3)
    assert np.array_equal(image_array, palette[np.array(image)].transpose(2, 0, 1))


def test_the_image_of_the_caller_keeps_its_transparency() -> None:
    image = Image.fromarray(noise(4, 4) % 4, "L").convert("P")
    image.info["transparency"] = bytes([0, 128])
    to_rgb(image)
    assert image.info["transparency"] == bytes([0, 128])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_is_scaled_by_257_and_rounded(kind: str) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    image_array = decode(encoded(Image.fromarray(values), kind))
    assert image_array[0].tolist() == [np.rint(values[0] / 257).astype(int).tolist()] == [[0, 0, 1, 1, 128, 255]]


def test_32_bit_values_are_refused() -> None:
    with pytest.raises(Unreadable, match="32-bit values"):
        decode(encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"))


def test_a_float_tiff_is_refused_because_its_range_is_not_guessed() -> None:
    with pytest.raises(Unreadable, match="range is not guessed"):
        decode(encoded(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF"))


def test_cmyk_is_converted() -> None:
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    red, green, blue = decode(encoded(image, "TIFF"))[:, 0, 0].tolist()
    assert (red, green, blue) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_not_applied(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.kron(np.array([[0, 80, 160], [240, 40, 120]], np.uint8), np.ones((16, 16), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = decode(encoded(image.convert("RGB"), kind))
    assert np.array_equal(decode(encoded(image.convert("RGB"), kind, exif=exif)), plain)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_only_the_first_frame_of_an_animation_is_decoded(kind: str) -> None:
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert decode(data)[:, 0, 0].tolist() == [255, 0, 0]


def test_a_truncated_jpeg_is_reported_as_cut_short() -> None:
    data = encoded(Image.fromarray(noise(64, 64, 3)), "JPEG")
    with pytest.raises(Unreadable, match="cut short"):
        decode(data[: len(data) // 2])


def test_text_is_reported_as_text() -> None:
    with pytest.raises(Unreadable, match="text, not an image"):
        decode(b"404: not image_array\n")


def test_an_empty_file_is_reported_as_empty() -> None:
    with pytest.raises(Unreadable, match="empty file"):
        decode(b"")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_refused_before_decoding(side: int, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(Unreadable, match="decompression bomb"):
        decode(bomb(side))


def bomb(side: int) -> bytes:
    """Return a small PNG whose header declares side x side pixels, but which holds only 1 x 1."""
    buffer = io.BytesIO()
    PngImagePlugin.putchunk(buffer, b"IHDR", side.to_bytes(4, "big") * 2, b"\x08\x02\x00\x00\x00")
    plain = encoded(Image.new("RGB", (1, 1)))
    return plain[:8] + buffer.getvalue() + plain[33:]


def test_damaged_bytes_raise_only_unreadable(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM"]
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds:
            plain = encoded(Image.fromarray(noise(16, 16, 3)), kind)
            for _ in range(60):
                data = bytearray(plain)
                for at in rng.integers(0, min(len(data), 200), 4):
                    data[at] = rng.integers(256)
                outcomes.add(outcome(bytes(data)))
    assert outcomes == {"image", "unreadable"}


def outcome(data: bytes) -> str:
    try:
        image_array = decode(data)
    except Unreadable:
        return "unreadable"
    assert image_array.dtype == np.uint8
    assert image_array.shape[0] == 3
    return "image"


def test_postscript_is_not_recognised_so_no_program_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow would start Ghostscript for these bytes
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("a program was started"))
    data = encoded(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(Unreadable, match="not an image"):
        decode(data)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "EPS"


def test_damage_after_the_first_frame_does_not_matter() -> None:
    frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    decoded = decode_within(data)
    assert isinstance(decoded, Decoded)
    assert decoded.further_frames == 1
    assert decode(data[:-10]).max() == 0


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16B"]
)
def test_conversion_in_strips_changes_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode.startswith("I"):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 65536, (7, 5), dtype=np.uint16)).convert(mode)
    else:
        image = Image.fromarray(noise(7, 5, 3)).convert("RGB").convert(mode)
    whole = to_rgb(image)
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 10)
    assert np.array_equal(to_rgb(image), whole)
    assert whole.shape == (3, 7, 5)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_max_pixels_lets_larger_images_in_and_refuses_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    data = encoded(Image.new("RGB", (20, 10)))
    with pytest.raises(Unreadable, match=r"decompression bomb.*more than 100 pixels; .* --max-pixels"):
        decode_within(data)
    with pytest.raises(Unreadable, match=r"20 x 10 pixels, more than 199 pixels"):
        decode_within(data, max_pixels=199)
    decoded = decode_within(data, max_pixels=200)
    assert isinstance(decoded, Decoded)
    assert decoded.data.shape == (3, 10, 20)


def test_an_image_that_needs_much_memory_is_not_decoded() -> None:
    data = encoded(Image.new("RGB", (100, 100)))
    assert decode_within(data, memory=50_000) == TooLarge(70_000 + len(data))
