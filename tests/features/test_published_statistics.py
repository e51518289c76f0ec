"""The table of published statistics is complete and consistent."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from genbench.features.published_statistics import PUBLISHED_STATISTICS, NamedStatistics
from genbench.features.statistics_files import EXTRACTORS_OF_EDM2, STATISTICS_EXTENSIONS
from genbench.files.json_records import read_record, to_record
from genbench.plugs.registry import load

each_entry = pytest.mark.parametrize("entry", PUBLISHED_STATISTICS, ids=lambda entry: entry.name)
named = {entry.name: entry for entry in PUBLISHED_STATISTICS}


def test_names_and_addresses_occur_once() -> None:
    assert len(named) == len(PUBLISHED_STATISTICS)
    urls = [url for entry in PUBLISHED_STATISTICS for url in entry.urls]
    assert len(set(urls)) == len(urls)


@each_entry
def test_every_field_is_valid(entry: NamedStatistics) -> None:
    # the reader of the user's registry checks types, the name and the checksum
    assert read_record(NamedStatistics, to_record(entry)) == entry
    assert entry.path == ""
    assert entry.licence in ("MIT", "CC BY-NC-SA 4.0")
    assert entry.file.endswith(STATISTICS_EXTENSIONS)
    for address in (*entry.urls, entry.source):
        parts = urlsplit(address)
        assert (parts.scheme, parts.query, parts.fragment) == ("https", "", "")
        assert "." in parts.netloc
        assert "//" not in parts.path
    assert entry.urls


@pytest.mark.parametrize("spec", sorted({spec for entry in PUBLISHED_STATISTICS for spec in entry.extractors}))
def test_every_extractor_can_be_opened_and_has_its_spec_as_its_name(spec: str) -> None:
    assert load("extractors", spec).name == spec


def test_every_entry_has_an_extractor() -> None:
    assert all(entry.extractors for entry in PUBLISHED_STATISTICS)


def test_files_of_edm2_hold_the_statistics_of_their_extractors() -> None:
    assert named["edm2-imagenet512"].extractors == tuple(EXTRACTORS_OF_EDM2.values())


@pytest.mark.parametrize(
    ("name", "file", "extractor", "count", "labels"),
    [
        ("adm-imagenet512", "VIRTUAL_imagenet512.npz", "inception", 1_281_167, "random"),
        ("adm-imagenet128", "VIRTUAL_imagenet128_labeled.npz", "inception", 1_281_167, "random"),
        ("edm-cifar10", "cifar10-32x32.npz", "inception", 50_000, "random"),
        ("jit-imagenet256", "jit_in256_stats.npz", "inception", 1_281_167, "equal"),
        ("cleanfid-cifar10-test", "cifar10_clean_test_32.npz", "inception,resize=clean", 10_000, ""),
        (
            "cleanfid-ffhq256-trainval70k-tf",
            "ffhq_legacy_tensorflow_trainval70k_256.npz",
            "inception",
            70_000,
            "",
        ),
        (
            "cleanfid-cifar10-train-torch",
            "cifar10_legacy_pytorch_train_32.npz",
            "inception,resize=torch",
            50_000,
            "",
        ),
    ],
)
def test_entries_name_the_files_that_their_publishers_name(
    name: str, file: str, extractor: str, count: int, labels: str
) -> None:
    entry = named[name]
    assert (entry.file, entry.extractors, entry.count, entry.labels) == (file, (extractor,), count, labels)


@pytest.mark.parametrize("mode", ["clean", "legacy_tensorflow", "legacy_pytorch"])
def test_addresses_of_clean_fid_are_those_of_clean_fid(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features = pytest.importorskip("cleanfid.features")
    asked = []

    def download(local_folder: str, url: str) -> str:
        asked.append(url)
        raise FileNotFoundError

    # ask clean-fid itself for each of its data sets
    monkeypatch.setattr(features, "check_download_url", download)
    ours = {url for entry in PUBLISHED_STATISTICS for url in entry.urls if f"_{mode}_" in url}
    for url in ours:
        data_set, _, rest = url.rpartition("/")[2].removesuffix(".npz").partition(f"_{mode}_")
        split, _, size = rest.rpartition("_")
        with pytest.raises(FileNotFoundError):
            features.get_reference_statistics(data_set, int(size), mode=mode, split=split)
    assert {url.replace("stats//", "stats/") for url in asked} == ours
    assert len(ours) == 17
