"""Images in tar archives: plain ones, and the shards of WebDataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genbench.errors import InputError, UsageError
from genbench.files.fingerprints import FilePart
from genbench.sources.class_labels import Classes, find_classes
from genbench.sources.file_names import count_by_extension, no_images_message, printable
from genbench.sources.image_formats import EXTENSIONS, suffix, unread_kind
from genbench.sources.shards import TAR, Shards, are_shards, shard_files, shards_name
from genbench.sources.tar_index import TarIndex
from genbench.sources.threaded import EncodedImages

LARGEST_CLASS_BYTES = 64
"""Maximum bytes of a ``.cls`` member, which holds one number."""


class Tar(EncodedImages):
    """The images in a tar archive or in the shards of a WebDataset: a file, a folder of them, or a list.

    The shards, and the images in each of them, are in natural order. Only the headers are read at first, and each image
    when it is needed; a compressed archive is unpacked to a temporary file. The members ``.cls`` give the classes, or
    else ``dataset.json`` or the folders in the archive. If samples have several images, ``image`` chooses those whose
    names end in it: ``jpg`` or ``mask.png``. ``split`` chooses shards of a folder by their names. Raises InputError for
    archives that are damaged, cut short or hostile.
    """

    def __init__(self, path: Shards, *, image: str | None = None, split: str | None = None) -> None:
        # read the headers of all archives
        self.name = shards_name(path)
        self._shards = [TarIndex(file) for file in shard_files(path, TAR, split)]
        # images and other members, in the order of the shards
        members = [_TarMember(index, name) for index, shard in enumerate(self._shards) for name in shard.members]
        pictures = [member for member in members if suffix(member.name) in EXTENSIONS]
        others = [member for member in members if suffix(member.name) not in EXTENSIONS]
        if not pictures:
            raise InputError(no_images_message(self.name, "archive", (member.name for member in others)))
        self._images = _chosen_images(self.name, pictures, image)
        self.files = tuple(member.name for member in self._images)
        """Names of the images in the archives."""
        # classes beside each image come first
        classes = self._classes_beside(others) or self._classes_of_names(others)
        self.class_names, self.labels, self.notes, used = classes
        # a member that gives a class is used
        counts = sum((shard.left_out for shard in self._shards), Counter[str]())
        counts["further images of samples"] = len(pictures) - len(self._images)
        self.left_out = dict(counts - Counter(map(unread_kind, used)))
        self.ignored = count_by_extension((Counter(member.name for member in others) - Counter(used)).elements())
        """Number of members that are not used, by extension."""

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of a tar archive, a list of these, or a folder of them."""
        return are_shards(subject, TAR)

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the name of the image, after that of its archive if there are several."""
        shard, name = self._images[row]
        return printable(name if len(self._shards) == 1 else f"{self._shards[shard].name}: {name}")

    def read(self, row: int) -> bytes:
        """Return the bytes of one image."""
        return self._read(self._images[row])

    def part(self, row: int) -> FilePart:
        """Return the member of the archive."""
        shard, name = self._images[row]
        return FilePart(self._shards[shard].path, name, self._shards[shard].opened)

    def _read(self, member: _TarMember) -> bytes:
        return self._shards[member.shard].read(member.name)

    def _classes_beside(self, others: Sequence[_TarMember]) -> Classes | None:
        """Return the classes that WebDataset stores beside the images: ``0001.jpg`` and ``0001.cls``."""
        numbers = [member for member in others if suffix(member.name) == ".cls"]
        if not numbers:
            return None
        # every image needs a class
        beside = _classes_of_images(self.name, self._images, numbers)
        found = [self._class_number(member) for member in beside if member is not None]
        if len(found) < len(beside) or None in found:
            missing = len(beside) - sum(number is not None for number in found)
            note = f"{missing:,} of {len(beside):,} images have no .cls with a whole number, so there are no classes"
            return Classes(notes=(note,))
        return Classes(None, np.array(found, np.int64), (), tuple(member.name for member in beside if member))

    def _class_number(self, member: _TarMember) -> int | None:
        if self._shards[member.shard].members[member.name].size > LARGEST_CLASS_BYTES:
            return None
        text = self._read(member).strip()
        return int(text) if text.isdigit() and len(text) < 16 else None

    def _classes_of_names(self, others: Sequence[_TarMember]) -> Classes:
        named = {member.name: member for member in others}
        return find_classes(self.name, self.files, named, lambda name: self._read(named[name]))


class _TarMember(NamedTuple):
    shard: int
    name: str


def _sample_key(name: str) -> str:
    """Return the key of a sample of WebDataset: ``a/0001`` of ``a/0001.mask.png``."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _classes_of_images(
    name: str, images: Sequence[_TarMember], numbers: Sequence[_TarMember]
) -> list[_TarMember | None]:
    """Return the ``.cls`` of each image: the one of the same name, or else that of its sample.

    Raises InputError if a sample has several and none has the name of the image.
    """
    stems = {_stem(image) for image in images}
    of_stem, of_sample = defaultdict(list), defaultdict(list)
    for member in numbers:
        of_stem[_stem(member)].append(member)
        # 0.5.cls belongs to 0.5.png alone, and 0.cls to all images of the sample 0
        key = member.shard, _sample_key(member.name)
        if _stem(member) == key or _stem(member) not in stems:
            of_sample[key].append(member)
    found = [of_stem.get(_stem(image)) or of_sample[image.shard, _sample_key(image.name)] for image in images]
    for image, several in zip(images, found, strict=True):
        if len(several) > 1:
            listed = ", ".join(printable(member.name) for member in several[:3])
            raise InputError(
                f"{name} holds {len(several):,} classes for {printable(image.name)} ({listed}); keep one .cls for each "
                "image, with the name of the image."
            )
    return [members[0] if members else None for members in found]


def _stem(member: _TarMember) -> tuple[int, str]:
    """Return the shard and the name without its last suffix: ``a/0001.mask`` of ``a/0001.mask.png``."""
    return member.shard, member.name[: -len(suffix(member.name))]


def _chosen_images(name: str, images: Sequence[_TarMember], ending: str | None) -> list[_TarMember]:
    """Return the image of each sample. Raises InputError if samples have several and none is chosen."""
    # what the user names
    if ending is not None:
        chosen = [member for member in images if member.name.lower().endswith(f".{ending.lower().lstrip('.')}")]
        if not chosen:
            raise UsageError(f"{name} holds no image whose name ends in .{ending}; it holds {_endings(images)}.")
        return chosen
    # all samples have the same several images
    of_sample: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for member in images:
        key = _sample_key(member.name)
        of_sample[member.shard, key].add(member.name[len(key) + 1 :])
    # a single sample with many endings is rather a set of numbered images
    endings = {frozenset(found) for found in of_sample.values()}
    if len(endings) == 1 and len(of_sample) > 1 and len(next(iter(endings))) > 1:
        first = sorted(next(iter(endings)))[0]
        raise InputError(
            f"{name} holds several images of each sample ({_endings(images)}); choose one with "
            f"tar,path={name},image={first}."
        )
    return list(images)


def _endings(images: Sequence[_TarMember]) -> str:
    counts = Counter(member.name[len(_sample_key(member.name)) + 1 :] for member in images)
    return ", ".join(f"{ending} {count:,}" for ending, count in counts.most_common(8))
