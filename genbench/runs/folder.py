"""The folder of one trial, a sampler with one training seed: its paths, and the records that it holds.

``run`` writes the folder and the report reads it. Weights and figures are written by the modules that make them.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from genbench.errors import InputError, InputWarning, PlugError
from genbench.files.atomic_write import atomic_write
from genbench.files.checksums import Checksums
from genbench.files.fingerprints import content_hash, file_hash
from genbench.files.folder_paths import result_folder, slug
from genbench.files.json_records import parse_json, plain_data, read_value
from genbench.results import Result, TrainingRecord, read_results
from genbench.runs.gallery_record import Gallery
from genbench.runs.history import History

Stored = TypeVar("Stored")

DEFAULT_SUFFIX = ".pt"
"""Suffix of the files of a sampler that has no ``weights_suffix``: torch reads and writes them by its own format."""


class RunFolder:
    """The folder ``ROOT/BENCHMARK/SAMPLER/seed-N`` of one sampler with one training seed.

    ``benchmark`` is the name of the benchmark without its version. Not every folder has every file: a sampler without
    training has only a result, a gallery and the two pictures of samples. ``suffix`` is that of the weights.
    """

    def __init__(self, root: Path, benchmark: str, sampler: str, seed: int, suffix: str = DEFAULT_SUFFIX) -> None:
        self.sampler, self.seed = sampler, seed
        self.path = _earlier_folder(root, benchmark, sampler, seed) or result_folder(root, benchmark, sampler, seed)
        # what decides the result; files of a trial with another identity are deleted
        self._identity = self.path / "identity.json"
        # training: the state from which an interrupted training continues, the chosen weights, what was watched
        self.checkpoint = self.path / f"checkpoint{suffix}"
        self.best_weights = self.path / f"best{suffix}"
        self._history = self.path / "history.jsonl"
        self.curves = self.path / "curves.png"
        # the TrainingRecord, written when the training is finished
        self._training = self.path / "training.json"
        # a grid of samples drawn at random, and the gallery with its sheet of samples and their neighbours
        self.samples = self.path / "samples.png"
        self._gallery = self.path / "gallery.json"
        self.sheet = self.path / "gallery.png"
        # the Result; it is written last and marks the trial as finished
        self.result = self.path / "result.jsonl"
        # the checksums of these files; a file without one, as earlier versions wrote it, counts as whole
        self._sums = Checksums(self.path / "sha256sums")

    def read_identity(self) -> dict[str, str] | None:
        """Return the identity of the trial whose files are here; None if unknown, and {} if the file is damaged."""
        try:
            return self._read(lambda data: dict(read_value(Mapping[str, str], data, "")), self._identity)
        except InputError:
            return {}

    def write_identity(self, identity: Mapping[str, str]) -> None:
        """Write the identity of the trial whose files will be here."""
        self._write(self._identity, json.dumps(identity, indent=1) + "\n")

    def clear(self, *, training_only: bool = False) -> None:
        """Delete the files of the training, and unless ``training_only``, all others."""
        # the result goes first and the identity last, so that a killed process leaves no mixture that looks finished
        others = [] if training_only else [self.samples, self._gallery, self.sheet, self._identity]
        weights = [*self.path.glob("checkpoint.*"), *self.path.glob("best.*")]
        training = [self._training, *weights, self._history, self.curves, self._sums.path]
        for path in (self.result, *training, *others):
            path.unlink(missing_ok=True)

    def seal_weights(self) -> None:
        """Write the checksum of the best weights, which the sampler has just saved. Raises PlugError without a file."""
        if not self.best_weights.is_file():
            raise PlugError(
                f"The method save of {self.sampler!r} wrote no file at its path, {self.best_weights}; write this path "
                "itself (numpy.savez adds .npz to a path, but not to an open file)."
            )
        self._sums.add(self.best_weights, file_hash(self.best_weights))

    def weights_are_whole(self) -> bool:
        """Return whether there are best weights and they are those that were saved."""
        return self.best_weights.is_file() and self._sums.match(self.best_weights)

    def read_history(self) -> History:
        """Return the watched steps, none without a file. Raises InputError if the file is damaged."""
        if not self._history.is_file():
            return History()
        if not self._sums.match(self._history):
            raise _wrong_checksum(self._history)
        return History.read(self._history)

    def write_history(self, history: History) -> None:
        """Write the watched steps, one JSON object a line."""
        self._write(self._history, "".join(json.dumps(step.to_json()) + "\n" for step in history.steps))

    def read_gallery(self) -> Gallery:
        """Return the gallery, an empty one without a file. Raises InputError if the file is damaged."""
        return self._read(Gallery.from_json, self._gallery) or Gallery()

    def write_gallery(self, gallery: Gallery) -> None:
        """Write the gallery as one JSON object."""
        self._write(self._gallery, json.dumps(gallery.to_json(), separators=(",", ":")) + "\n")

    def read_training(self) -> TrainingRecord | None:
        """Return the record of a finished training; None without a file, and if the file is damaged."""
        # the record is made again from the history
        with suppress(InputError):
            return self._read(lambda data: read_value(TrainingRecord, data, ""), self._training)
        return None

    def write_training(self, record: TrainingRecord) -> None:
        """Write the record of a finished training as one JSON object."""
        self._write(self._training, json.dumps(plain_data(record.to_dict()), indent=1) + "\n")

    def read_result(self) -> Result | None:
        """Return the result; None if the trial is not finished, and if the file is damaged or has several results."""
        # the result is computed again
        with suppress(InputError), warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            results = read_results(self.result) if self._sums.match(self.result) else []
            return results[0] if len(results) == 1 else None
        return None

    def write_result(self, result: Result) -> None:
        """Write the result, which marks the trial as finished."""
        self._write(self.result, result.to_json() + "\n")

    def _read(self, from_json: Callable[[object], Stored], path: Path) -> Stored | None:
        """Return the record of a JSON file; None without a file. Raises InputError if the file is damaged."""
        if not path.is_file():
            return None
        if not self._sums.match(path):
            raise _wrong_checksum(path)
        # every error of a reader means that the text is not what _write wrote
        try:
            return from_json(parse_json(path.read_text("utf-8")))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); run the sampler again, or delete the file.") from error

    def _write(self, path: Path, text: str) -> None:
        # the checksum comes first: a killed process leaves an earlier file, whose checksum is kept too
        content = text.encode()
        self._sums.add(path, content_hash(content))
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)


def _earlier_folder(root: Path, benchmark: str, sampler: str, seed: int) -> Path | None:
    """Return the folder of this trial that a version without hashes in the names of folders has written, or None."""
    folder = root / slug(benchmark) / slug(sampler) / f"seed-{seed}"
    path = folder / "result.jsonl"
    if folder == result_folder(root, benchmark, sampler, seed) or not os.path.isfile(path):
        return None
    # another sampler or benchmark may have had the same folder
    with suppress(InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        names = [(result.name, (result.benchmark or "").rpartition("@")[0]) for result in read_results(path)]
        return folder if names == [(sampler, benchmark)] else None
    return None


def _wrong_checksum(path: Path) -> InputError:
    return InputError(f"{path} is damaged (its checksum is wrong); run the sampler again, or delete the file.")
