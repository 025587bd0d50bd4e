"""Weight files with and without auxiliary heads, into models with and without."""

import pytest
import torch
import torchvision

from manako.errors import ArtefactError
from manako.models.foreign.torchvision import from_torchvision
from manako.models.weights import Source, load_source, load_weights
from manako.storage.tensors import save_tensors

OTHERS = 6 * 57  # a convolution and its norm's five tensors, 57 times
FRESH = "auxiliary heads start fresh, for the source has none"
LEFT_OUT = "auxiliary heads of the source left out"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """files[with auxiliary heads] -> (path, tensors) of a file with torchvision's names."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for auxiliary in (True, False):
        with torch.device("meta"):
            model = torchvision.models.googlenet(
                num_classes=9, aux_logits=auxiliary, init_weights=False
            )
        generator = torch.Generator().manual_seed(2)
        tensors = {
            name: torch.rand(one.shape, generator=generator).to(one.dtype)
            for name, one in model.state_dict().items()
        }
        path = folder / f"{auxiliary}.safetensors"
        save_tensors(path, tensors)
        found[auxiliary] = (path, tensors)
    return found


def auxiliary_of(tensors):
    return {name: one for name, one in tensors.items() if name.startswith("auxiliary.")}


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("in_model", [True, False])
def test_a_file_loads_with_and_without_auxiliary_heads_and_it_is_said(
    build, files, in_file, in_model
):
    path, tensors = files[in_file]
    model = build("googlenet", num_classes=9, auxiliary=in_model)
    before = {name: one.clone() for name, one in model.state_dict().items()}

    loaded = load_weights(model, f"torchvision:{path}")

    more = 2 * (6 + 2) if in_file and in_model else 0
    counted = f"{OTHERS + more} of {OTHERS + more} other tensors loaded"
    note = {(True, False): [LEFT_OUT], (False, True): [FRESH]}.get((in_file, in_model), [])
    assert loaded.message == "; ".join(["head kept (9 classes)", counted, *note])
    theirs = from_torchvision(tensors)
    for name, tensor in model.state_dict().items():
        fresh = name.startswith("auxiliary.") and not in_file
        assert torch.equal(tensor, before[name] if fresh else theirs[name]), name


def test_another_number_of_classes_replaces_the_last_layer_of_every_head(build, files):
    path, tensors = files[True]
    model = build("googlenet", num_classes=4)
    before = {name: model.state_dict()[name].clone() for name in model.class_rows()}

    loaded = load_weights(model, f"torchvision:{path}")

    assert loaded.message.startswith("head replaced (9 -> 4 classes); ")
    for name, tensor in before.items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert torch.equal(model.auxiliary["4a"].fc1.weight, tensors["aux1.fc1.weight"])
    assert torch.equal(model.auxiliary["4d"].fc1.weight, tensors["aux2.fc1.weight"])


def test_rows_of_every_head_are_kept_by_the_names_of_the_classes(build):
    theirs, ours = build("googlenet", num_classes=3), build("googlenet", num_classes=2)
    torch.nn.init.zeros_(ours.auxiliary["4d"].fc2.weight)
    source = Source("here", theirs.state_dict(), ("ant", "bee", "cow"))

    loaded = load_source(ours, source, classes=("cow", "ant"))

    assert loaded.kept_classes == ("cow", "ant")
    for name in ours.class_rows():
        assert torch.equal(ours.state_dict()[name], theirs.state_dict()[name][[2, 0]])


def test_one_of_two_auxiliary_heads_is_a_damaged_file(build, files):
    tensors = {name: one for name, one in files[True][1].items() if not name.startswith("aux2.")}
    source = Source("half", from_torchvision(tensors), foreign=True)

    with pytest.raises(ArtefactError, match=r"half does not fit the model: missing: auxiliary\.4d"):
        load_source(build("googlenet", num_classes=9, auxiliary=True), source)


def test_a_file_without_a_head_gives_the_backbone(build, files):
    body = {name: one for name, one in files[True][1].items() if not name.startswith("fc.")}
    source = Source("body", from_torchvision(body), foreign=True)

    loaded = load_source(build("googlenet"), source)

    assert loaded.message == f"{OTHERS} of {OTHERS} backbone tensors loaded; all else starts fresh"
