"""Pretrained networks: where their weights come from, the checksum that proves them, and loading them safely.

Nothing is downloaded, read or built before it is needed, and no code in a file of weights is run.
"""

from __future__ import annotations

import hashlib
import http.client
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from genbench.errors import InputError
from genbench.extractors.precision import arithmetic, check_precision
from genbench.extractors.raw import check_images
from genbench.files.atomic_write import atomic_write
from genbench.files.folders import weights_root

IMPLEMENTATION = 1
"""To be raised by a change that moves the numbers by more than rounding: it makes kept features unfit."""


@dataclass(frozen=True)
class Weights:
    """One published file of weights."""

    file: str
    """Its name in genbench's folder of weights."""
    urls: tuple[str, ...]
    """Where its publishers keep it; tried in this order."""
    sha256: str
    megabytes: int
    used_by: str
    """The extractor that needs it."""
    also: tuple[str, ...] = ()
    """Other names under which the same file goes round."""


@dataclass(frozen=True)
class Pretrained(ABC):
    """What the extractors with published weights share: file, checksum, identity, and the network at its first call.

    Computes in float32 without TF32 or bfloat16 shortcuts, in inference mode; a row depends on its neighbours in the
    batch by rounding only. ``precision`` tf32 or bf16 trades digits for speed: it is part of name and identity, so
    that features of one precision are never compared with those of another. Raises UsageError for another word.
    """

    weights: str | Path | None = field(default=None, kw_only=True, repr=False)
    device: str = field(default="cpu", kw_only=True, repr=False)
    precision: str = field(default="fp32", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check_precision(self.precision, self.device)

    @property
    @abstractmethod
    def space(self) -> str:
        """For people: the network and what it sees."""

    @property
    @abstractmethod
    def record(self) -> Weights:
        """The published file of weights."""

    @abstractmethod
    def build(self, path: Path) -> torch.nn.Module:
        """Return the network, filled with the weights in a file."""

    @abstractmethod
    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W] on the device."""

    @property
    def name(self) -> str:
        """For people."""
        return self.space + self._short_of_digits

    @cached_property
    def path(self) -> Path:
        """The file of weights; looked for, and if need be downloaded, when it is first asked for."""
        return find_weights(self.record, self.weights)

    @cached_property
    def identity(self) -> str:
        """Options, implementation and the sha256 of the weights; raises InputError where there are no weights."""
        return f"{self!r}, implementation={IMPLEMENTATION}, weights={file_sha256(self.path)}{self._short_of_digits}"

    @cached_property
    def network(self) -> torch.nn.Module:
        """The network on its device, built when it is first asked for."""
        return self.build(self.path).eval().requires_grad_(False).to(self.device)

    @property
    def computed_by(self) -> str:
        """What computed the views, for the record; all routes of one identity agree to rounding."""
        return f"torch {torch.__version__}" if "network" in vars(self) else "kept features"

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W]; raises PlugError for anything but images."""
        check_images(data, self.name)
        with torch.inference_mode(), arithmetic(self.precision):
            return self.views(data.to(self.device))

    @property
    def _short_of_digits(self) -> str:
        return "" if self.precision == "fp32" else f",precision={self.precision}"


def find_weights(record: Weights, path: str | Path | None = None) -> Path:
    """Return the file of weights: ``path`` as given, else the copy on this computer, else download it.

    Copies are looked for in genbench's folder of weights and in torch hub's checkpoints, and count only with the
    right checksum; ``path`` may hold any weights. Raises InputError, saying what to put where, when there are none.
    """
    if path is not None:
        chosen = Path(path)
        if not chosen.is_file():
            raise InputError(
                f"{chosen} is no file; give with --weights the path of {_described(record)}, or leave it out."
            )
        return chosen
    ours, hub = weights_root(), Path(torch.hub.get_dir()) / "checkpoints"
    copies = [folder / name for folder in (ours, hub) for name in (record.file, *record.also)]
    for copy in filter(Path.is_file, copies):
        if file_sha256(copy) == record.sha256:
            return copy
        if copy.parent == ours:
            raise InputError(
                f"{copy} is broken or another file: its sha256 begins with {file_sha256(copy)[:8]}, wanted is "
                f"{record.sha256[:8]}; delete it and try again, or give it with --weights if you mean it."
            )
    return _downloaded(record, ours / record.file)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits; a file that has not changed is read once per process.

    Raises InputError where it cannot be read.
    """
    try:
        state = path.stat()
        return _sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); give another with --weights.") from error


def read_weights(path: Path, used_by: str) -> dict[str, torch.Tensor]:
    """Return the state dict in a file of ``torch.save``; float tensors become float32.

    Nothing in the file is executed. Raises InputError for a TorchScript archive, a pickle that wants to build
    anything but tensors, and a file that is broken or holds something else.
    """
    if is_torchscript(path):
        raise InputError(
            f"{path} is a TorchScript program, which genbench does not run to get at weights; for {used_by} give its "
            "state dict, saved with torch.save(network.state_dict(), PATH)."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickle protocols
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken or hostile pickle can make the reader raise anything
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): it is broken or holds more than tensors, and "
            f"nothing in it was run; for {used_by} give a state dict, saved with "
            "torch.save(network.state_dict(), PATH)."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(
            f"{path} holds {type(state).__name__} and no plain state dict; for {used_by} give one, saved with "
            "torch.save(network.state_dict(), PATH)."
        )
    return {
        str(name): tensor.to(torch.float32) if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a program saved by ``torch.jit.save``, by its table of contents alone."""
    with suppress(OSError, zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
        return any(name.split("/")[-1] == "constants.pkl" for name in archive.namelist())
    return False


def fill(network: torch.nn.Module, state: dict[str, torch.Tensor], *, path: Path, record: Weights) -> None:
    """Put a state dict into a network whose shapes it must fit; the network may lie on the meta device.

    Raises InputError that names the file, the first tensor that does not fit, and what is wanted.
    """
    check_fit(network.state_dict(), state, path=path, record=record)
    network.load_state_dict(state, assign=True)


def check_fit(
    wanted: Mapping[str, torch.Tensor], state: dict[str, torch.Tensor], *, path: Path, record: Weights
) -> None:
    """Raise InputError, naming the file and the first tensor that does not fit, unless a state dict has these shapes.

    A count of training steps that old files lack is added.
    """
    for name in wanted:
        if name.endswith(".num_batches_tracked"):  # counts training steps; old files have none and nothing reads it
            state.setdefault(name, torch.zeros((), dtype=torch.int64))
    misfit = next(_misfits(wanted, state), None)
    if misfit is not None:
        raise InputError(f"{path} does not fit {record.used_by}: {misfit}; wanted is {_described(record)}.")


def _misfits(wanted: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> Iterator[str]:
    for name, tensor in wanted.items():
        if name not in state:
            yield f"it lacks {name!r}"
        elif state[name].shape != tensor.shape:
            yield f"its {name!r} has the shape {list(state[name].shape)}, not {list(tensor.shape)}"
    for name in state:
        if name not in wanted:
            yield f"it has {name!r}, which is not in the network"


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:  # size and time are there to make a changed file new
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _downloaded(record: Weights, target: Path) -> Path:
    reasons = []
    for url in record.urls:
        reason = _download(url, record, target)
        if reason is None:
            return target
        reasons.append(f"{url}: {reason}")
    raise InputError(
        f"{record.used_by} needs {_described(record)}, which cannot be downloaded ({'; '.join(reasons)}): put it into "
        f"{target.parent} under that name or give its path with --weights, or measure without it with --features "
        "pixels, digits or mnist."
    )


def _download(url: str, record: Weights, target: Path) -> str | None:
    """Download one file whole or not at all; return why it did not come, or None."""
    digest = hashlib.sha256()
    blocks = _blocks(url, record.file)
    try:
        first = next(blocks, b"")  # reach the server before a file is made
        with atomic_write(target) as temporary:
            with temporary.open("wb") as file:
                for block in chain([first], blocks):
                    digest.update(block)
                    file.write(block)
            if digest.hexdigest() != record.sha256:
                raise _NoDownload(f"what came has the sha256 {digest.hexdigest()[:8]}..., so it was not kept")
    except _NoDownload as error:
        return str(error)
    return None


class _NoDownload(Exception):
    """A source that did not give the file; its message says why."""


def _blocks(url: str, name: str) -> Iterator[bytes]:
    """Yield a file at a URL in blocks, with progress on stderr where that is a terminal."""
    from tqdm import tqdm

    try:
        with urlopen(url, timeout=30) as answer:
            size = int(answer.headers.get("Content-Length", 0))
            got = 0
            with tqdm(total=size or None, desc=name, unit="B", unit_scale=True, disable=None) as bar:
                while block := answer.read(1 << 20):
                    got += len(block)
                    bar.update(len(block))
                    yield block
            if got < size:
                raise _NoDownload(f"the connection broke off after {got} of {size} bytes")
    except URLError as error:
        raise _NoDownload(str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _NoDownload(str(error) or type(error).__name__) from error


def _described(record: Weights) -> str:
    return f"{record.file} ({record.megabytes} MB, sha256 {record.sha256[:8]}...)"
