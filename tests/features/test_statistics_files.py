"""Files of reference statistics: of other tools and of genbench, damaged and hostile ones."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.features import npz_entries, statistics_files
from genbench.features.features import Features, Moments
from genbench.features.statistics_files import has_images, read_reference, write_statistics


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


ROWS = np.random.default_rng(0).standard_normal((20, 3))
MU, SIGMA = ROWS.mean(axis=0), np.cov(ROWS, rowvar=False)


def moments(statistics: object) -> Moments:
    assert isinstance(statistics, Moments)
    assert statistics.mean.dtype == statistics.covariance.dtype == np.float64
    return statistics


def check(statistics: object, *, tolerance: float = 0.0) -> Moments:
    read = moments(statistics)
    np.testing.assert_allclose(read.mean, MU, atol=tolerance, rtol=0)
    np.testing.assert_allclose(read.covariance, SIGMA, atol=tolerance, rtol=0)
    return read


def test_statistics_of_pytorch_fid_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", mu=MU, sigma=SIGMA)
    statistics = check(read_reference(tmp_path / "x.npz"))
    assert (statistics.count, statistics.extractor, statistics.identity) == (None, "", "")
    assert statistics.name == str(tmp_path / "x.npz")
    assert len(statistics.fingerprint) == 64


def test_statistics_of_adm_are_read_and_their_images_are_detected(tmp_path: Path) -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images, mu=MU, sigma=SIGMA, mu_s=np.zeros(5), sigma_s=np.eye(5))
    check(read_reference(tmp_path / "x.npz"))
    assert has_images(tmp_path / "x.npz")


def test_statistics_of_adms_second_view_are_moments_of_that_view(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA, mu_s=np.arange(5.0), sigma_s=2 * np.eye(5))
    statistics = check(read_reference(tmp_path / "x.npz"))
    spatial = moments(statistics.of_view("spatial"))
    assert statistics.of_view("embedding") is statistics
    assert statistics.of_view("logits") is None
    assert (spatial.mean.tolist(), spatial.covariance.tolist()) == ([0, 1, 2, 3, 4], (2 * np.eye(5)).tolist())
    assert (spatial.view, spatial.fingerprint) == ("spatial", statistics.fingerprint)
    # what is known of the whole file is known of each of its views
    named = moments(replace(statistics, name="stats:mine", count=50_000).of_view("spatial"))
    assert (named.name, named.count) == ("stats:mine", 50_000)


def test_moments_of_two_views_are_written_as_adm_writes_them_and_read_back(tmp_path: Path) -> None:
    features = Features.of(embedding=ROWS, spatial=ROWS[:, :2] ** 2)
    written = replace(features.moments(), others={"spatial": features.moments("spatial")})
    write_statistics(written, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        assert sorted(arrays) == ["genbench", "mu", "mu_s", "sigma", "sigma_s"]
    read = moments(read_reference(tmp_path / "x.npz"))
    spatial = moments(read.of_view("spatial"))
    assert np.array_equal(spatial.covariance, features.moments("spatial").covariance)
    assert (spatial.count, spatial.fingerprint) == (len(ROWS), features.fingerprint)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu_s": np.zeros(5), "sigma_s": np.eye(4)}, r"\(5,\) and a covariance of shape \(4, 4\)"),
        ({"mu_s": np.zeros(2), "sigma_s": -np.eye(2)}, "sigma_s is not symmetric with variances of 0 or more"),
        ({"mu_s": np.zeros(2), "sigma_s": np.array([[1.0, 2.0], [2.0, 1.0]])}, "sigma_s has clearly negative"),
        ({"mu_s": np.zeros(2, int), "sigma_s": np.eye(2)}, "mu_s has dtype int64"),
        ({"mu_s": np.full(2, np.nan), "sigma_s": np.eye(2)}, "NaN"),
    ],
)
def test_wrong_statistics_of_the_second_view_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA, **arrays)
    with pytest.raises(InputError, match=rf"x\.npz.*{message}"):
        read_reference(tmp_path / "x.npz")


def test_statistics_without_images_have_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA)
    assert not has_images(tmp_path / "x.npz")


def test_float32_statistics_are_read_as_float64(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=MU.astype(np.float32), sigma=SIGMA.astype(np.float32))
    check(read_reference(tmp_path / "x.npz"), tolerance=1e-6)


def test_an_npz_of_images_holds_no_statistics(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.zeros((2, 4, 4, 3), np.uint8))
    assert read_reference(tmp_path / "x.npz") is None


@pytest.mark.parametrize("name", ["x.zip", "x.npy", "x", "folder.d"])
def test_files_with_other_extensions_hold_no_statistics(tmp_path: Path, name: str) -> None:
    assert read_reference(tmp_path / name) is None


def test_features_of_genbench_are_read(tmp_path: Path) -> None:
    Features.of(embedding=ROWS, name="mine").save(tmp_path / "x.safetensors")
    statistics = read_reference(tmp_path / "x.safetensors")
    assert isinstance(statistics, Features)
    assert np.array_equal(statistics["embedding"], ROWS)


def test_a_features_file_written_by_hand_is_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    metadata = '{"name": "mine", "extractor": "net", "identity": "net@1", "fingerprint": "c0ffee", "modes": 3}'
    save_file({"embedding": ROWS, "label": np.arange(20)}, tmp_path / "x.safetensors", {"genbench.features": metadata})
    features = read_reference(tmp_path / "x.safetensors")
    assert isinstance(features, Features)
    assert (features.name, features.identity, features.modes, features.views) == ("mine", "net@1", 3, ("embedding",))
    assert features.label is not None
    assert features.label.tolist() == list(range(20))


def test_written_statistics_are_read_back_unchanged(tmp_path: Path) -> None:
    written = Moments(MU, SIGMA, 20, "mine", "inception", "inception 1a2b", "c0ffee")
    write_statistics(written, tmp_path / "new" / "x.npz")
    statistics = check(read_reference(str(tmp_path / "new" / "x.npz")))
    for name in ("count", "name", "extractor", "identity", "fingerprint"):
        assert getattr(statistics, name) == getattr(written, name)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.npz"]


def test_another_file_extension_is_not_changed(tmp_path: Path) -> None:
    write_statistics(Moments(MU, SIGMA), tmp_path / "x.stats")
    assert [path.name for path in tmp_path.iterdir()] == ["x.stats"]


def test_the_same_moments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("x.npz", "y.npz"):
        write_statistics(Moments(MU, SIGMA, 20, "mine"), tmp_path / name)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_pytorch_fid_reads_written_statistics(tmp_path: Path) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    write_statistics(Moments(MU, SIGMA, 20, "mine"), tmp_path / "x.npz")
    mean, covariance = fid_score.compute_statistics_of_path(str(tmp_path / "x.npz"), None, 1, 3, "cpu")
    assert np.array_equal(mean, MU)
    assert np.array_equal(covariance, SIGMA)


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_statistics(Moments(MU, SIGMA), tmp_path / "file" / "x.npz")


@pytest.mark.parametrize(
    ("mu", "sigma", "message"),
    [
        (MU, SIGMA[:2, :2], "do not belong together"),
        (MU[None], SIGMA, "mu has dtype float64 and shape"),
        (MU, SIGMA.diagonal(), "sigma has dtype float64 and shape"),
        (MU * np.nan, SIGMA, "NaN or infinity"),
        (MU + 1e200, SIGMA, r"values up to 1e\+200, larger than float32 features can give"),
        (MU, SIGMA + 1e200, r"values up to 1e\+200, larger than float32 features can give"),
        (MU, SIGMA - 1e200, r"values up to 1e\+200, larger than float32 features can give"),
        (MU, SIGMA * np.inf, "NaN or infinity"),
        (MU.astype(int), SIGMA, "mu has dtype int64"),
        (np.array(["a", "b", "c"]), SIGMA, "mu has dtype <U1"),
        (MU, SIGMA + np.triu(np.ones((3, 3)), 1), "not symmetric"),
        (MU, -SIGMA, "no covariance"),
        (np.zeros(0), np.zeros((0, 0)), "expected floats"),
    ],
)
def test_other_arrays_than_a_mean_and_covariance_are_refused(tmp_path: Path, mu: Any, sigma: Any, message: str) -> None:
    np.savez(tmp_path / "x.npz", mu=mu, sigma=sigma)
    with pytest.raises(InputError, match=message):
        read_reference(tmp_path / "x.npz")


def test_a_damaged_npz_is_an_error(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", mu=MU, sigma=SIGMA)
    data = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(data[:-30])
    with pytest.raises(InputError, match=r"x\.npz cannot be read"):
        read_reference(tmp_path / "x.npz")
    at = data.index(b"sigma.npy") + 60
    (tmp_path / "x.npz").write_bytes(data[:at] + bytes(20) + data[at + 20 :])
    with pytest.raises(InputError, match=r"x\.npz cannot be read"):
        read_reference(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["npz", "pkl", "safetensors"])
def test_a_missing_file_is_an_error(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_reference(tmp_path / f"x.{kind}")


def test_other_contents_in_the_entry_genbench_are_refused(tmp_path: Path) -> None:
    for note in ("no json", "[1]"):
        np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA, genbench=np.array(note))
        with pytest.raises(InputError, match=r"x\.npz"):
            read_reference(tmp_path / "x.npz")


# pickles


def pickled(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_statistics_of_edm_are_read_in_every_protocol(tmp_path: Path, protocol: int, order: Any) -> None:
    content = {"mu": MU, "sigma": np.array(SIGMA, order=order), "count": np.float64(3), "note": "x"}
    check(read_reference(pickled(tmp_path / "x.pkl", content, protocol)))


def test_statistics_of_the_other_byte_order_are_read(tmp_path: Path) -> None:
    check(read_reference(pickled(tmp_path / "x.pkl", {"mu": MU.astype(">f8"), "sigma": SIGMA.astype(">f8")})))


def test_nested_statistics_of_edm_are_chosen_by_name(tmp_path: Path) -> None:
    content = {"fid": {"mu": MU, "sigma": SIGMA}, "fd_dinov2": {"mu": MU * 2, "sigma": SIGMA}}
    path = pickled(tmp_path / "x.pkl", content)
    assert check(read_reference(path)).extractor == "inception"
    statistics = moments(read_reference(path, name="fd_dinov2"))
    assert statistics.extractor == "dinov2-vit-l-14"
    assert np.array_equal(statistics.mean, MU * 2)
    with pytest.raises(InputError, match="it holds fid, fd_dinov2"):
        read_reference(path, name="clip")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    for call in ((os.system, f"touch {ran}"), (eval, f"open({str(ran)!r}, 'w')"), (np.loadtxt, str(ran))):
        path = pickled(tmp_path / "x.pkl", {"mu": Payload(*call), "sigma": SIGMA}, protocol)
        with pytest.raises(InputError, match=r"wants to run .* make an \.npz"):
            read_reference(path)
    assert not ran.exists()


def test_a_pickled_array_of_objects_is_refused(tmp_path: Path) -> None:
    hostile = np.array([Payload(os.system, f"touch {tmp_path / 'ran'}"), 1], object)
    with pytest.raises(InputError):
        read_reference(pickled(tmp_path / "x.pkl", {"mu": hostile, "sigma": SIGMA}))
    with pytest.raises(InputError, match="cannot be read as plain arrays"):
        read_reference(pickled(tmp_path / "x.pkl", {"mu": np.array([None, "x"], object), "sigma": SIGMA}))
    assert not (tmp_path / "ran").exists()


def test_an_npz_of_objects_is_refused_and_not_run(tmp_path: Path) -> None:
    hostile = np.array([Payload(os.system, f"touch {tmp_path / 'ran'}"), 1], object)
    np.savez(tmp_path / "x.npz", mu=hostile, sigma=SIGMA)
    with pytest.raises(InputError, match="plain numbers"):
        read_reference(tmp_path / "x.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct"])
def test_a_file_cannot_change_the_replacements_of_numpy(tmp_path: Path, name: str) -> None:
    state = b"}U\x08__name__U\x04evilsU\x0c__defaults__(K\x01ts"
    (tmp_path / "evil.pkl").write_bytes(b"\x80\x02c" + name.encode() + b"\n" + state + b"b.")
    with pytest.raises(InputError):
        read_reference(tmp_path / "evil.pkl")
    check(read_reference(pickled(tmp_path / "good.pkl", {"mu": MU, "sigma": SIGMA})))


@pytest.mark.parametrize("content", [{}, [], {"mu": MU}, {"mu": "x", "sigma": SIGMA}, 3, {"a": {"b": 1}}])
def test_a_pickle_of_other_objects_is_an_error(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match=r"x\.pkl"):
        read_reference(pickled(tmp_path / "x.pkl", content))


def test_damaged_pickles_raise_only_input_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plain = pickle.dumps({"mu": MU, "sigma": SIGMA}, 4)
    message = 0
    for _ in range(300):
        data = bytearray(plain)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        (tmp_path / "x.pkl").write_bytes(data)
        try:
            moments(read_reference(tmp_path / "x.pkl"))
        except InputError as error:
            message += "x.pkl" in str(error)
    assert message > 100


def test_a_sigma_with_clearly_negative_eigenvalues_is_refused(tmp_path: Path) -> None:
    sigma = np.cov(np.random.default_rng(0).standard_normal((50, 16)).T)
    diagonal = np.diag(np.diag(sigma))
    np.savez(tmp_path / "bad.npz", mu=np.zeros(16), sigma=diagonal + 3 * (sigma - diagonal))
    with pytest.raises(InputError, match=r"bad.npz: sigma has clearly negative eigenvalues"):
        read_reference(tmp_path / "bad.npz")


def test_a_singular_sigma_of_rounded_numbers_is_read(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 64))
    np.savez(tmp_path / "few.npz", mu=np.zeros(64), sigma=np.cov(rows.T).astype(np.float32))
    assert isinstance(read_reference(tmp_path / "few.npz"), Moments)


# hostile files: small ones that would take much memory or time


def nested(levels: int, double: bytes) -> bytes:
    """Return the opcodes of an object that is doubled ``levels`` times."""
    return b"K\x01\x85q\x00" + double * levels


LISTS = nested(60, b"q\x01(h\x01h\x01l") + b"q\x01"

HOSTILE_PICKLES = {
    "a memo of 268 million objects": b"\x80\x02Nr\xff\xff\xff\x0f.",
    "a memo of 268 million objects, as text": b"Np268435455\n.",
    "6 GB of bytes": b"\x80\x04\x8e" + struct.pack("<Q", 6 << 30) + b".",
    "6 GB of a bytearray": b"\x80\x05\x96" + struct.pack("<Q", 6 << 30) + b".",
    "6 GB of text": b"\x80\x04\x8d" + struct.pack("<Q", 6 << 30) + b".",
    "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a frame of 6 GB": b"\x80\x04\x95" + struct.pack("<Q", 6 << 30) + b".",
    "a key of 2^60 numbers, by DUP": b"\x80\x02}K\x01\x85" + b"2\x86" * 60 + b"Ns.",
    "a key of 2^60 numbers, by the memo": b"\x80\x02}" + nested(60, b"h\x00\x86q\x00") + b"Ns.",
    "a dtype of 2^60 lists": b"\x80\x02(" + LISTS + b"lcnumpy\ndtype\nh\x01\x85R\x86.",
    "a mean of 2^60 lists": b"\x80\x02}X\x01\x00\x00\x00a(" + LISTS + b"ls"
    b"X\x02\x00\x00\x00muh\x01sX\x05\x00\x00\x00sigmah\x01s.",
    "10,000 times one text of 10,000 letters": b"\x80\x02(X\x10\x27\x00\x00" + b"x" * 10_000 + b"q\x00"
    b"X\x06\x00\x00\x00latin1q\x01c_codecs\nencode\nq\x02" + b"h\x02h\x00h\x01\x86R" * 10_000 + b"l.",
}


@pytest.mark.parametrize("content", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_a_small_pickle_that_would_need_much_memory_or_time_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pkl").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"x\.pkl"):
        read_reference(tmp_path / "x.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_statistics_as_lists_of_numbers_are_read(tmp_path: Path) -> None:
    check(read_reference(pickled(tmp_path / "x.pkl", {"mu": MU.tolist(), "sigma": SIGMA.tolist()})))


def test_a_pickled_array_without_contents_is_refused(tmp_path: Path) -> None:
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    content = b"\x80\x02}X\x02\x00\x00\x00mu" + array + b"sX\x05\x00\x00\x00sigma" + array + b"s."
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pkl: mu has dtype float64 and shape \[0\]"):
        read_reference(tmp_path / "x.pkl")


def with_entries(path: Path, **entries: bytes) -> Path:
    """Write an .npz of the given bytes; mu and sigma are good ones if they are not given."""
    np.savez(path, mu=MU, sigma=SIGMA)
    with zipfile.ZipFile(path) as archive:
        good = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in (good | entries).items():
            archive.writestr(f"{key}.npy", content)
    return path


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n" + data


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3, -3)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 3)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3.0)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 'x'}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 3)}",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3, 3)}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3, 3)}",
        "(" * 500,
        "[" * 9000,
        "\x00",
        "'" * 3,
        "{'descr': '<f8'}",
    ],
)
@pytest.mark.parametrize("key", ["mu", "sigma", "genbench"])
def test_a_senseless_header_of_an_array_is_refused(tmp_path: Path, header: str, key: str) -> None:
    path = with_entries(tmp_path / "x.npz", **{key: npy(header, bytes(72))})
    with pytest.raises(InputError, match=r"x\.npz"):
        read_reference(path)


def text_entry(text: str) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(text))
    return stream.getvalue()


@pytest.mark.parametrize(
    "record",
    [
        "null",
        "[" * 100_000,
        "NaN",
        '"x"',
        *map(json.dumps, [{"count": "many"}, {"count": -1}, {"count": True}, {"source": 3}]),
    ],
)
def test_a_record_of_wrong_types_is_refused(tmp_path: Path, record: str) -> None:
    with pytest.raises(InputError, match=r"x\.npz cannot be read"):
        read_reference(with_entries(tmp_path / "x.npz", genbench=text_entry(record)))


def test_a_record_whose_text_is_damaged_is_refused(tmp_path: Path) -> None:
    damaged = text_entry("{}")[:-8] + b"\xff" * 8
    with pytest.raises(InputError, match=r"x\.npz cannot be read"):
        read_reference(with_entries(tmp_path / "x.npz", genbench=damaged))


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_entries, "_BOMB_SIZE", 1 << 20)
    np.savez_compressed(tmp_path / "x.npz", mu=np.zeros(500), sigma=np.zeros((500, 500)))
    monkeypatch.setattr(statistics_files, "npz_array", lambda archive, key: pytest.fail("unpacked"))
    with pytest.raises(InputError, match="sigma would unpack to 2,000,128 bytes, like a decompression bomb"):
        read_reference(tmp_path / "x.npz")


def test_statistics_of_another_dimension_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA)
    check(read_reference(tmp_path / "x.npz", dimension=3))
    monkeypatch.setattr(statistics_files, "npz_array", lambda archive, key: pytest.fail("read"))
    with pytest.raises(InputError, match=r"x\.npz holds statistics of 3 dimensions, .* samples have 4"):
        read_reference(tmp_path / "x.npz", dimension=4)


def test_an_encrypted_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=MU, sigma=SIGMA)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    # the first flag bit of every entry means encryption
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            content[at + place] |= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        read_reference(tmp_path / "x.npz")


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_npz_files_raise_only_input_errors(tmp_path: Path, *, compress: bool) -> None:
    rng = np.random.default_rng(0)
    (np.savez_compressed if compress else np.savez)(tmp_path / "good.npz", mu=MU, sigma=SIGMA, genbench=np.array("{}"))
    plain = (tmp_path / "good.npz").read_bytes()
    refused = 0
    for _ in range(200):
        data = bytearray(plain)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        (tmp_path / "x.npz").write_bytes(data)
        try:
            read_reference(tmp_path / "x.npz")
        except InputError as error:
            refused += "x.npz" in str(error) and "\n" not in str(error)
    assert refused > 100


def test_the_damaged_header_of_an_array_is_told_in_plain_words(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1 + 1,)}\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("mu.npy", "sigma.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16))
    with pytest.raises(InputError, match=r"cannot be read \(its header is not that of an array\)"):
        read_reference(tmp_path / "x.npz")
