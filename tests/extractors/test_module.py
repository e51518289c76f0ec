"""A user's torch module, callable or TorchScript file as an extractor."""

import importlib.util
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from genbench.errors import InputError, PlugError, UsageError
from genbench.extractors.module import ModuleExtractor, TorchScriptExtractor
from genbench.plugs.contracts import Extractor

IMAGES = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)


class Scaled(nn.Module):
    """A network of one linear layer on flattened images."""

    def __init__(self, scale: float = 255.0) -> None:
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(48, 5)
        nn.init.constant_(self.layer.weight, 0.5)
        nn.init.zeros_(self.layer.bias)

    def forward(self, images):
        return self.layer(images.flatten(1).float() / self.scale)


def flat(images):
    return images.flatten(1).float()


def extractor_returning(output):
    return ModuleExtractor(lambda data: output)


def test_a_tensor_is_the_embedding():
    assert torch.equal(ModuleExtractor(flat)(IMAGES)["embedding"], flat(IMAGES))


def test_a_tuple_is_embedding_and_logits():
    views = extractor_returning((torch.zeros(2, 3), torch.ones(2, 7)))(IMAGES)
    assert {view: list(rows.shape) for view, rows in views.items()} == {"embedding": [2, 3], "logits": [2, 7]}


def test_a_dict_of_views_is_converted_to_the_types_of_the_contract():
    expected = {
        "embedding": torch.zeros(2, 3, dtype=torch.float64),
        "mode": torch.tensor([1, 0], dtype=torch.int32),
        "quality": torch.tensor([True, False]),
    }
    views = extractor_returning(expected)(IMAGES)
    assert [views[view].dtype for view in expected] == [torch.float32, torch.int64, torch.bool]


def test_a_numpy_array_is_accepted():
    assert ModuleExtractor(lambda data: np.ones((len(data), 3)))(IMAGES)["embedding"].dtype == torch.float32


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(2, 3, 1, 1), r"embedding float32 \[2, 3, 1, 1\] for 2 samples; expected float32 \[N, D\]"),
        (torch.zeros(1, 3), r"for 2 samples"),
        (torch.zeros(2, 3, dtype=torch.int64), "embedding int64"),
        (torch.tensor([[0.0], [torch.nan]]), "NaN or infinity in the embedding of 1 of 2 samples"),
        ({"mode": torch.zeros(2)}, r"mode float32 \[2\].*expected int64 \[N\]"),
        ({"quality": torch.zeros(2, dtype=torch.int64)}, "expected bool"),
        ({"embeding": torch.zeros(2, 3)}, "did you mean 'embedding'"),
        ({}, "dict of 0; return a tensor"),
        ((torch.zeros(2, 3),), "tuple of 1; return a tensor"),
        (None, "NoneType; return a tensor"),
        ("rows", "a str as 'embedding', not a tensor"),
    ],
)
def test_the_message_about_an_output_that_breaks_the_contract_names_the_extractor(output, message):
    with pytest.raises(PlugError, match=f"'<lambda>'.*{message}"):
        extractor_returning(output)(IMAGES)


@pytest.mark.parametrize(
    "network", [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(48, 4))], ids=["convolution", "linear"]
)
def test_the_message_about_a_network_that_needs_floats_shows_the_conversion(network):
    with pytest.raises(PlugError, match=r"does not accept uint8 images .*images\.float\(\) / 255"):
        ModuleExtractor(network)(IMAGES)


def test_other_exceptions_of_a_users_function_keep_their_traceback():
    def broken(images):
        raise KeyError("weights")

    with pytest.raises(KeyError, match="weights"):
        ModuleExtractor(broken)(IMAGES)


def test_a_module_may_name_the_classes_of_its_logits():
    module = nn.Flatten()
    assert ModuleExtractor(module).class_names is None
    module.class_names = ["cat", "dog"]
    assert ModuleExtractor(module).class_names == ("cat", "dog")


@pytest.mark.parametrize("names", ["cat", [], ["cat", "cat"], [0, 1], {"cat": 0}])
def test_class_names_that_are_no_list_of_different_texts_are_refused(names):
    module = nn.Flatten()
    module.class_names = names
    with pytest.raises(PlugError, match="expected a list of different texts"):
        ModuleExtractor(module)


def test_a_module_is_called_in_evaluation_mode_and_its_modes_are_restored():
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    module[0].eval()
    ones = ModuleExtractor(module)(torch.ones(2, 300))["embedding"]
    assert (ones == 1).all()
    assert [part.training for part in module.modules()] == [True, False, True]


def test_the_modes_of_a_module_are_restored_if_it_raises():
    module = nn.Sequential(nn.Linear(3, 3)).train()
    with pytest.raises(RuntimeError):
        ModuleExtractor(module)(torch.ones(2, 5))
    assert module.training


def test_two_equal_modules_have_the_same_identity():
    assert ModuleExtractor(Scaled()).identity == ModuleExtractor(Scaled()).identity != ""


def test_another_weight_makes_another_identity():
    other = Scaled()
    with torch.no_grad():
        other.layer.weight[0, 0] += 1e-3
    assert ModuleExtractor(other).identity != ModuleExtractor(Scaled()).identity


def test_another_setting_makes_another_identity():
    assert ModuleExtractor(Scaled(1.0)).identity != ModuleExtractor(Scaled()).identity


def test_another_buffer_makes_another_identity():
    norms = [nn.BatchNorm1d(3), nn.BatchNorm1d(3)]
    norms[1].running_mean += 1
    assert ModuleExtractor(norms[0]).identity != ModuleExtractor(norms[1]).identity


def test_another_source_text_makes_another_identity(tmp_path):
    identities = set()
    for factor in (1, 2):
        path = tmp_path / f"{factor}" / "guest.py"
        path.parent.mkdir()
        path.write_text(f"from torch import nn\nclass Net(nn.Module):\n    def forward(self, x): return x * {factor}\n")
        specification = importlib.util.spec_from_file_location("guest", path)
        guest = importlib.util.module_from_spec(specification)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(__import__("sys").modules, "guest", guest)
            specification.loader.exec_module(guest)
            identities.add(ModuleExtractor(guest.Net()).identity)
    assert len(identities) == 2
    assert "" not in identities


def test_the_mode_of_a_module_does_not_change_its_identity():
    assert ModuleExtractor(Scaled().eval()).identity == ModuleExtractor(Scaled().train()).identity


def test_a_module_with_a_hook_or_an_unknown_attribute_has_no_identity():
    hooked, dependent = Scaled(), Scaled()
    hooked.register_forward_hook(lambda module, given, answer: answer * 2)
    dependent.table = np.ones(3)
    assert [ModuleExtractor(module).identity for module in (hooked, dependent)] == ["", ""]


def test_a_plain_callable_has_no_identity_unless_it_defines_one():
    def named(images):
        return flat(images)

    named.identity = "flat, version 2"
    assert (ModuleExtractor(flat).identity, ModuleExtractor(named).identity) == ("", "flat, version 2")


def test_modules_and_callables_are_accepted_but_not_classes_or_strings():
    assert [ModuleExtractor.accepts(plug) for plug in (Scaled(), flat, Scaled, "flat", 3)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_string_is_rejected_as_a_module():
    with pytest.raises(UsageError, match="module:attribute"):
        ModuleExtractor("flat")


def test_the_device_can_be_set_and_an_unknown_device_is_an_error():
    extractor = ModuleExtractor(Scaled())
    extractor.device = "cpu"
    assert isinstance(extractor, Extractor)
    with pytest.raises(UsageError, match=r"device 'nowhere' cannot be used for 'Scaled'"):
        extractor.device = "nowhere"


@pytest.fixture
def scripted(tmp_path):
    path = tmp_path / "scaled.ts"
    torch.jit.trace(Scaled(), IMAGES).save(path)
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_file_gives_the_same_features_as_its_module(scripted):
    assert TorchScriptExtractor.accepts(scripted)
    torch.testing.assert_close(
        TorchScriptExtractor(scripted)(IMAGES)["embedding"], ModuleExtractor(Scaled())(IMAGES)["embedding"]
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_the_identity_of_a_torchscript_file_depends_only_on_its_content(scripted, tmp_path):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(scripted.read_bytes())
    assert TorchScriptExtractor(scripted).identity == TorchScriptExtractor(copy).identity
    assert TorchScriptExtractor(copy).name == "copy.pt"


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@pytest.mark.parametrize("kind", ["pickle", "saved module", "state dict", "text", "empty", "absent", "folder"])
def test_a_file_that_is_not_torchscript_is_rejected_without_being_unpickled(kind, tmp_path):
    path = tmp_path / "file.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Exploding()))
    elif kind == "saved module":
        torch.save(Exploding(), path)
    elif kind == "state dict":
        torch.save(Scaled().state_dict(), path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_text("some text" if kind == "text" else "")
    with pytest.raises(InputError, match=r"file\.pt is not a (TorchScript )?file; write one with torch\.jit\.trace"):
        TorchScriptExtractor(path)
