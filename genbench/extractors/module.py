"""A guest's network as an extractor: a torch module, a plain callable, or a TorchScript file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genbench.errors import PlugError, UsageError, did_you_mean
from genbench.extractors.raw import describe
from genbench.plugs.torch_modules import SUFFIXES, device_of, evaluating, first_line, moved, read_torchscript


class ModuleExtractor:
    """A torch module, or any callable, that maps uint8 [N, 3, H, W] (float32 [N, D] for points) to its views.

    It may return a tensor [N, D] (the embedding), a tuple (embedding, logits), or a dict of views. A module is called
    in evaluation mode and gets its own mode back.

    ``identity`` is the module's own attribute of that name where it has one. Else it is a hash of the module's
    structure, settings, parameters, buffers and source files; what its forward calls in other files is not seen, so
    a module that leans on such code should carry an ``identity``. It is empty, so that nothing is kept, for a plain
    callable and for a module with hooks or with attributes that no hash covers.
    Raises PlugError, naming the plug, where it cannot take uint8 images or returns something else.
    """

    def __init__(self, module: Callable[[torch.Tensor], Any]) -> None:
        if not callable(module):
            raise UsageError(f"An extractor must be callable, not {module!r}; name one as module:attribute.")
        self.module = module
        self.name: str = getattr(module, "__name__", type(module).__name__)
        self.identity = _identity(module)
        self._device = device_of(module)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is a torch module or a plain callable."""
        return callable(subject) and not inspect.isclass(subject)

    @property
    def device(self) -> str:
        """Where images are moved before the call; setting it moves a torch module there."""
        return self._device

    @device.setter
    def device(self, device: str) -> None:
        if isinstance(self.module, nn.Module):
            moved(self.module, device, self.name)
        self._device = device

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W] or float32 [N, D]."""
        try:
            with evaluating(self.module), torch.inference_mode():
                answer = self.module(data)
        except RuntimeError as error:
            if data.dtype == torch.uint8 and any(word in str(error) for word in ("Byte", "unsigned char")):
                raise PlugError(
                    f"The extractor {self.name!r} cannot take uint8 images ({first_line(error)}); convert them inside "
                    "it, as in self.network(images.float() / 255)."
                ) from error
            raise
        views = _named(answer, self.name)
        return {view: _checked(rows, view, self.name, count=len(data)) for view, rows in views.items()}


class TorchScriptExtractor(ModuleExtractor):
    """A TorchScript file as an extractor; its identity is the sha256 of the file.

    A TorchScript file is a program: open those of people you trust. Anything else in such a file (a state dict, a
    pickled module) is refused without being unpickled.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        super().__init__(read_torchscript(Path(path), device))
        self.name = Path(path).name
        self.identity = f"torchscript,{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is the path of a file that may hold TorchScript."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() in SUFFIXES


def _identity(module: object) -> str:
    own = getattr(module, "identity", None)
    if isinstance(own, str):
        return own
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        return ""
    digest = hashlib.sha256(torch.__version__.encode())
    for name, part in module.named_modules():
        about = _about(part)
        if about is None:
            return ""
        digest.update(f"{name}: ".encode() + about)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{type(module).__module__}.{type(module).__qualname__},{digest.hexdigest()}"


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def _about(part: nn.Module) -> bytes | None:
    """Return what decides the numbers of a module beside its tensors and its parts; None where that is unknown."""
    settings = {key: value for key, value in vars(part).items() if key not in _OF_EVERY_MODULE}
    hooked = part._forward_hooks or part._forward_pre_hooks or part._forward_hooks_with_kwargs
    if hooked or not _settled(settings):
        return None
    written = [f"{part!r} {settings!r}".encode()]
    for kind in type(part).__mro__:
        if kind.__module__.split(".")[0] not in ("torch", "builtins"):
            try:
                source = inspect.getsourcefile(kind)
                written.append(f"{kind.__qualname__} ".encode() + Path(source or "").read_bytes())
            except (TypeError, OSError):  # defined at a prompt or in compiled code
                return None
    return b"".join(written)


def _settled(value: object) -> bool:
    """Tell whether ``repr(value)`` is the same whenever the value is."""
    if isinstance(value, Mapping):
        return all(_settled(item) for item in value.values())
    if isinstance(value, (tuple, list)):
        return all(_settled(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, type, torch.dtype, torch.device))


def _named(answer: object, name: str) -> Mapping[str, object]:
    if isinstance(answer, Mapping):
        for view in answer:
            if view not in _VIEWS:
                raise PlugError(f"The extractor {name!r} returned a view {view!r}{did_you_mean(str(view), _VIEWS)}")
        if answer:
            return answer
    elif isinstance(answer, (tuple, list)):
        if len(answer) == 2:
            return {"embedding": answer[0], "logits": answer[1]}
    elif answer is not None:
        return {"embedding": answer}
    size = f" of {len(answer)}" if isinstance(answer, (tuple, list, Mapping)) else ""
    raise PlugError(
        f"The extractor {name!r} returned a {type(answer).__name__}{size}; "
        "return a tensor [N, D], a tuple (embedding, logits) or a dict of views."
    )


_VIEWS = {
    "embedding": ("float32 [N, D]", torch.float32),
    "logits": ("float32 [N, C]", torch.float32),
    "mode": ("int64 [N]", torch.int64),
    "quality": ("bool [N]", torch.bool),
}


def _checked(answer: object, view: str, name: str, *, count: int) -> torch.Tensor:
    wanted, dtype = _VIEWS[view]
    try:
        rows = torch.as_tensor(answer).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise PlugError(
            f"The extractor {name!r} returned a {type(answer).__name__} as {view!r}, not a tensor."
        ) from error
    dimensions = 2 if dtype.is_floating_point else 1
    if rows.ndim != dimensions or len(rows) != count or _sort(rows.dtype) != _sort(dtype):
        raise PlugError(
            f"The extractor {name!r} returned {view} {describe(rows)} for {count} samples; wanted {wanted}."
        )
    rows = rows.to(dtype)
    if dtype.is_floating_point and not rows.isfinite().all():
        broken = int((~rows.isfinite()).any(dim=1).sum())
        raise PlugError(
            f"The extractor {name!r} returned NaN or infinity in the {view} of {broken} of {count} samples."
        )
    return rows


def _sort(dtype: torch.dtype) -> str:
    if dtype == torch.bool:
        return "bool"
    return "float" if dtype.is_floating_point else "complex" if dtype.is_complex else "integer"
