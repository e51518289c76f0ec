"""Networks of the library timm: find their names and weights, and build them with weights that fit."""

from __future__ import annotations

import http.client
import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from genbench.errors import InputError, MissingWeightsError, UsageError, described, did_you_mean
from genbench.extractors.state_dicts import StateDict, add_step_counts, first_difference
from genbench.extractors.weights import Weights

if TYPE_CHECKING:
    import torch

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of timm's files of weights in a repository of the Hugging Face hub, in the order of preference."""


def timm_module(name: str = "timm") -> Any:
    """Return timm or one of its modules. Raises UsageError if it is not installed."""
    # a package that is missing, and one that is there but broken, need different remedies
    try:
        importlib.import_module("timm")
        return importlib.import_module(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise UsageError("'timm' needs the package timm; run `pip install 'genbench[timm]'`.") from error
        raise UsageError(f"The package timm cannot be imported ({described(error)}); install it again.") from error


def full_model_name(name: str) -> str:
    """Return a name of timm with the tag of its weights: timm's default tag if the name has none.

    Raises UsageError for an unknown architecture or tag.
    """
    models = timm_module("timm.models")
    architecture, _, tag = name.partition(".")
    if architecture not in models.list_models():
        known = [*models.list_models(), *models.list_pretrained()]
        raise UsageError(f"timm has no model {name!r}{_suggestion(name, known)}")
    try:
        pretrained = models.get_pretrained_cfg(name)
    except RuntimeError as error:
        tagged = models.list_pretrained(f"{architecture}.*")
        raise UsageError(f"timm's {architecture} has no weights {tag!r}{did_you_mean(name, tagged)}") from error
    # architectures without published weights have no tag
    return f"{architecture}.{pretrained.tag}" if pretrained is not None and pretrained.tag else architecture


def _suggestion(name: str, known: list[str]) -> str:
    # without a similar name, the list of all would fill the screen
    hint = did_you_mean(name, known)
    return hint if "did you mean" in hint else "; timm.list_models() lists all."


def find_hub_weights(repository: str, used_by: str) -> Path:
    """Return the path of the weights in a repository of the Hugging Face hub: in its cache, or downloaded into it.

    Raises MissingWeightsError, at once if the hub cannot be reached, if there are none.
    """
    # timm depends on this library and downloads by it; its cache may hold files of earlier downloads
    hub: Any = importlib.import_module("huggingface_hub")
    for file in HUB_FILES:
        cached = hub.try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return Path(cached)
    # the library tries for half a minute to reach a hub that is not there, so ask first
    reason = _unreachable_hub()
    if reason is None:
        try:
            with suppress(hub.utils.EntryNotFoundError):
                return Path(hub.hf_hub_download(repository, HUB_FILES[0]))
            return Path(hub.hf_hub_download(repository, HUB_FILES[1]))
        # no such file, a repository that needs an account, a full disk, a broken connection
        except Exception as error:
            reason = described(error).rstrip(".")
    file = f"{HUB_FILES[0]} of {repository} on the Hugging Face hub"
    raise MissingWeightsError(
        f"{used_by} needs {file}, which cannot be downloaded ({reason}): give the path of a copy with --weights, or "
        "measure without it with --features efficientnet-lite0 or pixels.",
        file,
    )


def _unreachable_hub() -> str | None:
    """Return why the Hugging Face hub cannot be reached, or None."""
    constants: Any = importlib.import_module("huggingface_hub.constants")
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    # this follows the proxies of the environment, as the library does
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=10).close()
    except HTTPError:
        return None  # a refusal is an answer, too
    except URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def address_weights(url: str, used_by: str, megabytes: int = 0) -> Weights:
    """Return what is known about a file at an address of timm or torchvision, whose name has the start of its hash."""
    # resnet18-f37072fd.pth
    file = url.rpartition("/")[2]
    digits = re.search(r"-([0-9a-f]{8,})\.", file)
    return Weights(file, (url,), digits[1] if digits else "", megabytes, used_by)


def skeleton(model: str, **arguments: object) -> torch.nn.Module:
    """Return a network of timm without memory for weights, on the meta device."""
    import torch

    # the initial values are drawn even there: protect the caller's generator
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network: torch.nn.Module = timm_module().create_model(model, **arguments)
    return network.eval()


def size_arguments(model: str, size: int) -> dict[str, object]:
    """Return the arguments with which timm builds a network for images of another size, and with the same weights.

    Vision transformers interpolate their positions, and pad images to whole patches; others are built for the size.
    """
    if not timm_module("timm.models").get_pretrained_cfg(model).fixed_input_size:
        return {}
    # each family has some of these arguments
    for names in (("dynamic_img_size", "dynamic_img_pad"), ("dynamic_img_size",)):
        arguments: dict[str, object] = dict.fromkeys(names, True)
        try:
            skeleton(model, **arguments)
        except TypeError:
            continue
        return arguments
    return {"img_size": size}


def network_with_weights(
    model: str, state: StateDict, arguments: Mapping[str, object], *, path: Path, published: Weights
) -> torch.nn.Module:
    """Return a network of timm with weights in timm's names, or in the names of a publisher whom timm knows.

    The classifier may have any number of classes, or be missing. Raises InputError, with the first difference, if the
    weights do not fit.
    """
    import torch

    # timm's own names and shapes: loaded as they are, after a check that needs no memory
    differences = []
    counts = _class_counts(model, state)
    for classes in counts:
        tensors = skeleton(model, num_classes=classes, **arguments).state_dict()
        expected = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        differences.append(first_difference(expected, state))
        if differences[-1] is None:
            with torch.random.fork_rng(devices=[]):
                network: torch.nn.Module = timm_module().create_model(model, num_classes=classes, **arguments)
            add_step_counts(expected, state)
            network.load_state_dict(state)
            return network
    # other names or shapes: timm converts the files of publishers, and positions of another image size
    for classes in counts:
        converted = _converted(model, state, classes, arguments)
        if converted is not None:
            return converted
    raise InputError(f"{path} does not fit {published.used_by}: {differences[0]}; expected {published}.")


def _class_counts(model: str, state: StateDict) -> list[int]:
    """Return the possible numbers of classes: that of the classifier in the state dict, or timm's, and none."""
    # a network with a distilled classifier has the names of two
    pretrained = timm_module("timm.models").get_pretrained_cfg(model)
    default = 1000 if pretrained is None else pretrained.num_classes
    names = getattr(pretrained, "classifier", None) or "head"
    classifier = state.get(f"{names if isinstance(names, str) else names[0]}.weight")
    return [default, 0] if classifier is None else [len(classifier)]


def _converted(model: str, state: StateDict, classes: int, arguments: Mapping[str, object]) -> torch.nn.Module | None:
    """Return a network with weights that timm converts, or None if they do not fit."""
    import torch

    create = timm_module().create_model
    arguments = {**arguments, "num_classes": classes}
    # the same seed twice, so that parameters that were not loaded can be recognised
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            initial = dict(_random_starts(create(model, **arguments)))
            torch.manual_seed(0)
            overlay = {"state_dict": dict(state), "num_classes": classes}
            network: Any = create(model, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    # timm's converters raise whatever foreign names make them raise
    except Exception:
        return None
    # timm keeps the weights twice otherwise
    for config in (network.pretrained_cfg, network.default_cfg):
        config.pop("state_dict", None)
    # some families load what fits and leave the rest as it was drawn
    left = any(torch.equal(initial.get(name, start[:0]), start) for name, start in _random_starts(network))
    return None if left else network


def _random_starts(network: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the first numbers of each parameter that was drawn at random; constants have no spread."""
    for name, tensor in network.named_parameters():
        start = tensor.detach().flatten()[:64].clone()
        if len(start) > 1 and start.std() > 0:
            yield name, start
