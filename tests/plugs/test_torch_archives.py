"""TorchScript whose code uses files is refused before it is loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from genbench.errors import InputError
from genbench.plugs.torch_archives import FILE_CALL, described_torch_file, torchscript_code
from genbench.plugs.torch_modules import read_torchscript

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")


class Saving(nn.Module):
    """A network that would write a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        torch.save(z, self.path)
        return z


class Mapping(nn.Module):
    """A network that would map a file into its output."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.from_file("/etc/passwd", False, 4)


class SavingWhenLoaded(nn.Module):
    """A network that would write a file as soon as it is loaded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), self.path)


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(path)
    return path


@pytest.mark.parametrize("kind", [Saving, SavingWhenLoaded])
def test_code_that_saves_is_refused_and_does_not_run(kind: type[Saving], tmp_path: Path) -> None:
    path = scripted(kind(tmp_path / "written"), tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"net\.pt is a TorchScript program that uses files .*'torch\.save' in .*\.py"):
        read_torchscript(path, "cpu")
    assert not (tmp_path / "written").exists()
    # torch itself runs it
    torch.jit.load(path)(torch.zeros(1))
    assert (tmp_path / "written").exists()


def test_code_that_maps_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"torch\.from_file"):
        read_torchscript(scripted(Mapping(), tmp_path / "net.pt"), "cpu")


def test_a_network_that_only_computes_is_loaded_and_described(tmp_path: Path) -> None:
    path = scripted(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 2)), tmp_path / "net.pt")
    assert isinstance(read_torchscript(path, "cpu"), nn.Module)
    assert described_torch_file(path).startswith("a TorchScript program of")
    assert "uses files" not in described_torch_file(path)


@pytest.mark.parametrize(
    "code",
    [
        "torch . save(x, f)",
        "torch.\\\n save(x, f)",
        "ops.aten.save(x, f)",
        "aten::save(x)",
        "ops.image.decode_png(x)",
        "ops.acme.read_file(f)",
        "ops.acme.file_exists(f)",
        "ops.c10d.allreduce_(x)",
        "torch.ops.acme.mmap(f)",
    ],
)
def test_calls_that_use_files_are_recognised_in_every_spelling(code: str) -> None:
    assert FILE_CALL.search(code)


@pytest.mark.parametrize(
    "code",
    ["torch.relu(x)", "(self.file).forward(x)", "ops.torchvision.nms(b, s, t)", "torch.save_for(x)", "self.save(x)"],
)
def test_calls_that_only_compute_are_not(code: str) -> None:
    assert not FILE_CALL.search(code)


@pytest.mark.parametrize("twin", ["NET/CODE/__TORCH__.PY", "net/model.json"])
def test_an_archive_whose_code_may_be_another_than_the_checked_one_is_refused(tmp_path: Path, twin: str) -> None:
    path = scripted(nn.Linear(2, 2), tmp_path / "net.pt")
    first = next(iter(torchscript_code(path)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(first.upper() if twin.endswith("PY") else twin, "torch.save(x)")
    with pytest.raises(InputError, match="code cannot be checked"):
        read_torchscript(path, "cpu")


def test_a_damaged_archive_is_no_torchscript(tmp_path: Path) -> None:
    whole = scripted(nn.Linear(2, 2), tmp_path / "net.pt").read_bytes()
    name, code = b"__torch__/torch", whole.index(b"PK\x01\x02")
    # a name that is no UTF-8 but is marked as such, and code that cannot be unpacked
    damaged = {"name.pt": whole.replace(name, b"__torch__/\xff\xff\xff\xff\xff")}
    with zipfile.ZipFile(tmp_path / "net.pt") as archive:
        first = next(member for member in archive.infolist() if member.filename.endswith(".py"))
    start = first.header_offset + 80
    damaged["code.pt"] = whole[:start] + bytes(range(200, 240)) + whole[start + 40 : code] + whole[code:]
    for file, content in damaged.items():
        (tmp_path / file).write_bytes(content)
        with pytest.raises(InputError, match=f"{file} is not a TorchScript file"):
            read_torchscript(tmp_path / file, "cpu")
        described_torch_file(tmp_path / file)


def test_an_archive_of_several_disks_is_described(tmp_path: Path) -> None:
    content = bytearray(scripted(nn.Linear(2, 2), tmp_path / "net.pt").read_bytes())
    # the locator of the directory of zip64 states the number of disks
    at = content.rindex(b"PK\x06\x07")
    content[at + 16 : at + 20] = b"\x02\0\0\0"
    (tmp_path / "net.pt").write_bytes(content)
    assert described_torch_file(tmp_path / "net.pt") == "a pickled object of torch (weights or a module)"
