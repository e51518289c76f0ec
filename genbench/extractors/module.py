"""Make an extractor from a user's network: a torch module, a plain callable, or a TorchScript file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.errors import PlugError, UsageError, did_you_mean
from genbench.plugs.torch_archives import SUFFIXES
from genbench.plugs.torch_modules import (
    device_of,
    dtype_and_shape,
    evaluation_mode,
    first_line,
    is_module,
    move_to_device,
    read_torchscript,
)

if TYPE_CHECKING:
    import torch
    from torch import nn


class ModuleExtractor:
    """A torch module, or any callable, that maps uint8 [N, 3, H, W] (float32 [N, D] for points) to views.

    It may return a tensor [N, D] (the embedding), a tuple (embedding, logits), or a dict of views. A module is called
    in evaluation mode; its mode is restored afterwards.

    ``identity`` is the module's attribute of that name if it has one. Otherwise it is a hash of the module's
    structure, settings, parameters, buffers and source files. The hash does not cover code in other files that the
    module calls, so a module that depends on such code should have an ``identity``. For a plain callable, and for a
    module with hooks or with attributes that cannot be hashed, it is empty, and the features are not cached.
    ``class_names`` are those of the module if it has them: the names of the classes of its logits, in their order.
    Raises PlugError, with the name of the extractor, if the module does not accept uint8 images or returns no views.
    """

    def __init__(self, module: Callable[[torch.Tensor], Any]) -> None:
        if not callable(module):
            raise UsageError(f"An extractor must be callable, not {module!r}; name one as module:attribute.")
        self.module = module
        self.name: str = getattr(module, "__name__", type(module).__name__)
        self.identity = _identity(module)
        self.class_names = _class_names(module, self.name)
        self._device = device_of(module)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is a torch module or a plain callable."""
        return callable(subject) and not inspect.isclass(subject)

    @property
    def device(self) -> str:
        """Device that images are moved to before the call; setting it moves a torch module as well."""
        return self._device

    @device.setter
    def device(self, device: str) -> None:
        if is_module(self.module):
            move_to_device(self.module, device, self.name)
        self._device = device

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W] or float32 [N, D]."""
        import torch

        try:
            with evaluation_mode(self.module), torch.inference_mode():
                output = self.module(data)
        except RuntimeError as error:
            # The most frequent mistake, a network that expects floats, gets a message of its own.
            if data.dtype == torch.uint8 and any(word in str(error) for word in ("Byte", "unsigned char")):
                raise PlugError(
                    f"The extractor {self.name!r} does not accept uint8 images ({first_line(error)}); convert them "
                    "inside it, as in self.network(images.float() / 255)."
                ) from error
            raise
        views = _views_by_name(output, self.name)
        return {view: _checked_view(rows, view, self.name, count=len(data)) for view, rows in views.items()}


class TorchScriptExtractor(ModuleExtractor):
    """A TorchScript file as an extractor; its identity is the sha256 of the file.

    A TorchScript file is a program: open only files from people whom you trust. A file with other contents (a state
    dict, a pickled module) is rejected without being unpickled.
    """

    # The file contains the code as well, so its hash covers everything.
    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        super().__init__(read_torchscript(Path(path), device))
        self.name = Path(path).name
        self.identity = f"torchscript,{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is the path of a file that may contain TorchScript."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() in SUFFIXES


def _class_names(module: object, name: str) -> tuple[str, ...] | None:
    """Return the names of the classes of a classifier. Raises PlugError unless they are different texts."""
    names = getattr(module, "class_names", None)
    if names is None:
        return None
    listed = tuple(names) if isinstance(names, (list, tuple)) else ()
    if not listed or not all(isinstance(one, str) for one in listed) or len(set(listed)) < len(listed):
        raise PlugError(
            f"The extractor {name!r} has class_names={names!r}; expected a list of different texts, one per class."
        )
    return listed


def _identity(module: object) -> str:
    """Return the identity of a module or callable; empty if unknown."""
    # A module that defines its identity is trusted; a plain callable has code that no hash covers.
    own = getattr(module, "identity", None)
    if isinstance(own, str):
        return own
    if not is_module(module):
        return ""
    # the guest's module has imported torch already
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        return ""
    # Hash the code and settings of every submodule ...
    digest = hashlib.sha256(torch.__version__.encode())
    for name, submodule in module.named_modules():
        description = _code_and_settings(submodule)
        if description is None:
            return ""
        digest.update(f"{name}: ".encode() + description)
    # ... and the values of all tensors.
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{type(module).__module__}.{type(module).__qualname__},{digest.hexdigest()}"


@cache
def _common_attributes() -> frozenset[str]:
    """Return the attributes that torch sets on every module; the remaining ones are the settings of a module."""
    from torch import nn

    return frozenset(vars(nn.Module()))


def _code_and_settings(module: nn.Module) -> bytes | None:
    """Return the settings and the source files of a module, without tensors and submodules; None if unknown."""
    # Hooks can change the output, and are not covered by the hash.
    settings = {key: value for key, value in vars(module).items() if key not in _common_attributes()}
    hooks = module._forward_hooks or module._forward_pre_hooks or module._forward_hooks_with_kwargs
    if hooks or not _has_stable_repr(settings):
        return None
    description = [f"{module!r} {settings!r}".encode()]
    # torch's version is part of the hash, so only the source files of other base classes are read
    for base_class in type(module).__mro__:
        if base_class.__module__.split(".")[0] not in ("torch", "builtins"):
            try:
                source = inspect.getsourcefile(base_class)
                description.append(f"{base_class.__qualname__} ".encode() + Path(source or "").read_bytes())
            # a class that was defined at a prompt or in compiled code has no source file
            except (TypeError, OSError):
                return None
    return b"".join(description)


def _has_stable_repr(value: object) -> bool:
    """Return whether equal values have equal ``repr``, which does not contain a memory address, for example."""
    import torch

    # Containers have a stable repr if their items have one.
    if isinstance(value, Mapping):
        return all(_has_stable_repr(item) for item in value.values())
    if isinstance(value, (tuple, list)):
        return all(_has_stable_repr(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, type, torch.dtype, torch.device))


def _views_by_name(output: object, name: str) -> Mapping[str, object]:
    """Return a module's output as a dict of views. Raises PlugError for an output of another form."""
    if isinstance(output, Mapping):
        for view in output:
            if view not in _VIEWS:
                raise PlugError(f"The extractor {name!r} returned a view {view!r}{did_you_mean(str(view), _VIEWS)}")
        if output:
            return output
    elif isinstance(output, (tuple, list)):
        if len(output) == 2:
            return {"embedding": output[0], "logits": output[1]}
    elif output is not None:
        return {"embedding": output}
    # Neither a dict of views, nor a pair, nor a tensor.
    size = f" of {len(output)}" if isinstance(output, (tuple, list, Mapping)) else ""
    raise PlugError(
        f"The extractor {name!r} returned a {type(output).__name__}{size}; "
        "return a tensor [N, D], a tuple (embedding, logits) or a dict of views."
    )


# The views of the contract: their form in words, which begins with their dtype.
_VIEWS = {"embedding": "float32 [N, D]", "logits": "float32 [N, C]", "mode": "int64 [N]", "quality": "bool [N]"}


def _checked_view(output: object, view: str, name: str, *, count: int) -> torch.Tensor:
    """Return a view as a tensor on the CPU with the dtype of the contract. Raises PlugError if it does not fit."""
    import torch

    expected = _VIEWS[view]
    dtype: torch.dtype = getattr(torch, expected.partition(" ")[0])
    try:
        rows = torch.as_tensor(output).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise PlugError(
            f"The extractor {name!r} returned a {type(output).__name__} as {view!r}, not a tensor."
        ) from error
    # Another precision of the same kind of number is converted; another kind is an error.
    dimensions = 2 if dtype.is_floating_point else 1
    if rows.ndim != dimensions or len(rows) != count or _number_kind(rows.dtype) != _number_kind(dtype):
        raise PlugError(
            f"The extractor {name!r} returned {view} {dtype_and_shape(rows)} for {count} samples; expected {expected}."
        )
    rows = rows.to(dtype)
    if dtype.is_floating_point and not rows.isfinite().all():
        broken = int((~rows.isfinite()).any(dim=1).sum())
        raise PlugError(
            f"The extractor {name!r} returned NaN or infinity in the {view} of {broken} of {count} samples."
        )
    return rows


def _number_kind(dtype: torch.dtype) -> str:
    if str(dtype) == "torch.bool":
        return "bool"
    return "float" if dtype.is_floating_point else "complex" if dtype.is_complex else "integer"
