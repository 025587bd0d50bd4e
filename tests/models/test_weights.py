import json

import pytest
import torch
import torchvision

from manako.errors import ArtefactError, UnknownName, UsageError
from manako.models.foreign.libraries import HALF, IMAGENET, LIBRARIES
from manako.models.foreign.torchvision import from_torchvision
from manako.models.weights import load_weights, normalisation_of_file, read_source
from manako.models.zoo import create_model
from manako.storage.folders import save_folder
from manako.storage.tensors import save_tensors


@pytest.fixture(scope="module")
def resnet18(build):
    """torchvision's names and shapes, 1000 classes, scrambled values."""
    theirs = build("resnet18", num_classes=1000).state_dict()
    names = {name: name.removeprefix("backbone.").replace("head.", "fc.") for name in theirs}
    return {names[name]: tensor for name, tensor in theirs.items()}


@pytest.fixture(scope="module")
def resnet18_file(resnet18, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_tensors(path, resnet18)
    return path


@pytest.fixture
def recognizer(tmp_path):
    """recognizer(model, classes) -> the folder of a recognizer."""

    def save(model, classes, name="recognizer", text=None):
        def write(folder):
            save_tensors(folder / "model.safetensors", model.state_dict())
            spec = json.dumps({"classes": classes}) if text is None else text
            (folder / "recognizer.json").write_text(spec, encoding="utf-8")

        save_folder(tmp_path / name, write)
        return tmp_path / name

    return save


def copies(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_fixture_has_the_names_of_torchvision(resnet18):
    with torch.device("meta"):
        theirs = torchvision.models.resnet18().state_dict()

    assert {name: tensor.shape for name, tensor in resnet18.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }


def test_a_torchvision_file_loads_whole_where_the_classes_agree(build, resnet18, resnet18_file):
    model = build("resnet18", num_classes=1000)
    torch.nn.init.zeros_(model.head.weight)

    loaded = load_weights(model, f"torchvision:{resnet18_file}")

    assert loaded.message == "head kept (1000 classes); 120 of 120 other tensors loaded"
    assert (loaded.tensors, loaded.kept_classes) == (120, ())
    for name, tensor in from_torchvision(resnet18).items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_another_class_count_leaves_the_head_fresh_and_says_so(build, resnet18, resnet18_file):
    model = build("resnet18", num_classes=7)
    head = model.head.weight.clone()
    torch.nn.init.zeros_(model.backbone.conv1.weight)

    loaded = load_weights(model, f"torchvision:{resnet18_file}", classes=list("abcdefg"))

    assert loaded.message == "head replaced (1000 -> 7 classes); 120 of 120 other tensors loaded"
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.backbone.conv1.weight, resnet18["conv1.weight"])


def test_create_model_loads_and_says_what_it_did(resnet18, resnet18_file, capsys):
    model = create_model("resnet18", num_classes=7, weights=f"torchvision:{resnet18_file}")

    assert "resnet18: head replaced (1000 -> 7 classes); 120 of 120" in capsys.readouterr().err
    assert torch.equal(
        model.backbone.layer4[1].bn2.running_var, resnet18["layer4.1.bn2.running_var"]
    )


def test_a_detector_takes_the_backbone_of_a_classifier(build, resnet18, resnet18_file):
    model = build("ssd_resnet18")
    torch.nn.init.zeros_(model.backbone.conv1.weight)
    before = copies(model)

    loaded = load_weights(model, f"torchvision:{resnet18_file}")

    assert loaded.message == "120 of 120 backbone tensors loaded; all else starts fresh"
    for name, tensor in model.state_dict().items():
        key = name.removeprefix("backbone.")
        expected = resnet18[key] if name.startswith("backbone.") else before[name]
        assert torch.equal(tensor, expected)


def test_a_file_without_a_head_gives_the_backbone(build, resnet18, tmp_path):
    body = {name: tensor for name, tensor in resnet18.items() if not name.startswith("fc.")}
    save_tensors(tmp_path / "body.safetensors", body)

    loaded = load_weights(build("resnet18"), f"torchvision:{tmp_path / 'body.safetensors'}")

    assert loaded.message == "120 of 120 backbone tensors loaded; all else starts fresh"


def test_old_files_without_counters_load(build, resnet18, tmp_path):
    old = {name: tensor for name, tensor in resnet18.items() if "num_batches" not in name}
    save_tensors(tmp_path / "old.safetensors", old)

    loaded = load_weights(
        build("resnet18", num_classes=1000), f"torchvision:{tmp_path / 'old.safetensors'}"
    )

    assert loaded.message == "head kept (1000 classes); 100 of 100 other tensors loaded"


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7])
def test_the_first_convolution_is_fitted_to_the_channels(build, resnet18, resnet18_file, channels):
    fitted, coloured = build("resnet18", 1000, in_channels=channels), build("resnet18", 1000)
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))

    loaded = load_weights(fitted, f"torchvision:{resnet18_file}")
    load_weights(coloured, f"torchvision:{resnet18_file}")

    assert loaded.message.endswith(f"; first convolution fitted from 3 channels to {channels}")
    expected = coloured.eval()(images.expand(-1, 3, -1, -1))
    found = fitted.eval()(images.expand(-1, channels, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    if channels >= 3:
        kept = fitted.backbone.conv1.weight[:, :3] * (channels / 3)
        torch.testing.assert_close(kept, resnet18["conv1.weight"])


def test_tensors_that_do_not_fit_are_named_and_nothing_is_loaded(build, resnet18, tmp_path):
    broken = {name: tensor for name, tensor in resnet18.items() if "layer4" not in name}
    broken["extra.weight"] = torch.zeros(1)
    broken["bn1.bias"] = torch.zeros(65)
    broken["bn1.weight"] = torch.zeros(64, dtype=torch.int64)
    save_tensors(tmp_path / "broken.safetensors", broken)
    model = build("resnet18", num_classes=1000)
    before = copies(model)

    with pytest.raises(ArtefactError) as caught:
        load_weights(model, f"torchvision:{tmp_path / 'broken.safetensors'}")

    message = str(caught.value)
    assert "missing: backbone.layer4.0.conv1.weight, backbone.layer4.0.bn1.weight, " in message
    assert "and 22 more" in message
    assert "unexpected: backbone.extra.weight" in message
    assert "backbone.bn1.bias (65,) instead of (64,)" in message
    assert "backbone.bn1.weight torch.int64 instead of torch.float32" in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "name", ["resnet34", "resnet50", "resnet20", "quick32", "unet_bn", "lenet5"]
)
def test_the_file_of_another_architecture_is_refused(build, resnet18_file, name):
    with pytest.raises(ArtefactError, match=r"does not fit the model: (missing|unexpected)"):
        load_weights(build(name), f"torchvision:{resnet18_file}")


def test_values_that_are_not_finite_are_refused(build, resnet18, tmp_path):
    poisoned = dict(resnet18) | {"bn1.bias": torch.full((64,), torch.nan)}
    save_tensors(tmp_path / "nan.safetensors", poisoned)

    with pytest.raises(
        ArtefactError, match=r"backbone\.bn1\.bias holds values that are not finite"
    ):
        load_weights(build("resnet18"), f"torchvision:{tmp_path / 'nan.safetensors'}")


@pytest.mark.parametrize("file", ["a.pth", "a.PT", "a.pth.tar", "a.bin"])
def test_pickles_are_refused_unopened(file, tmp_path):
    torch.save({}, tmp_path / file)

    with pytest.raises(
        ArtefactError, match=r"pickle, and loading it could run code\n(.*\n)*.*is converted by"
    ):
        read_source(f"torchvision:{tmp_path / file}")


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("timmm:a.safetensors", UnknownName, "no source of weights 'timmm'; did you mean 'timm'"),
        ("nowhere:a.safetensors", UnknownName, "weights 'nowhere'; known: .*torchvision"),
        ("torchvision:a.npz", ArtefactError, r"a\.npz cannot be read\n.*\.safetensors"),
        ("torchvision:none.safetensors", ArtefactError, r"none\.safetensors does not exist"),
        ("nowhere", ArtefactError, r"nowhere is no recognizer: it has no recognizer\.json"),
        ("C:\\nowhere", ArtefactError, r"nowhere is no recognizer"),
        ("runs/a:b", ArtefactError, r"a:b is no recognizer"),
    ],
)
def test_sources_that_cannot_be_read_are_refused(spec, error, message):
    with pytest.raises(error, match=message):
        read_source(spec)


def test_a_file_without_its_library_is_refused(resnet18_file):
    with pytest.raises(UsageError, match="write torchvision:"):
        read_source(resnet18_file)


def test_a_recognizer_of_the_same_classes_loads_whole(build, recognizer):
    trained = build("lenet5", num_classes=3, in_channels=1)
    folder = recognizer(trained, ["a", "b", "c"])
    model = create_model("lenet5", num_classes=3, in_channels=1)

    loaded = load_weights(model, folder, classes=["a", "b", "c"])

    assert loaded.message == "head kept (3 classes); 8 of 8 other tensors loaded"
    assert loaded.kept_classes == ("a", "b", "c")
    assert all(torch.equal(t, trained.state_dict()[n]) for n, t in model.state_dict().items())


def test_rows_of_classes_that_both_know_go_by_name(build, recognizer):
    trained = build("lenet5", num_classes=3, in_channels=1)
    folder = recognizer(trained, ["cat", "dog", "fox"])
    model = create_model("lenet5", num_classes=4, in_channels=1)
    fresh = model.head.weight.clone()

    loaded = load_weights(model, folder, classes=["ant", "fox", "bee", "cat"])

    assert loaded.message.startswith(
        "head replaced (3 -> 4 classes), rows of 2 classes kept by name"
    )
    assert loaded.kept_classes == ("fox", "cat")
    expected = [fresh[0], trained.head.weight[2], fresh[2], trained.head.weight[0]]
    assert torch.equal(model.head.weight, torch.stack(expected))
    assert torch.equal(model.head.bias[[1, 3]], trained.head.bias[[2, 0]])


def test_the_same_classes_in_another_order_are_moved(build, recognizer):
    trained = build("lenet5", num_classes=3, in_channels=1)
    folder = recognizer(trained, ["a", "b", "c"])
    model = create_model("lenet5", num_classes=3, in_channels=1)

    loaded = load_weights(model, folder, classes=["c", "a", "b"])

    assert loaded.message.startswith("head kept (3 classes)")
    assert torch.equal(model.head.weight, trained.head.weight[[2, 0, 1]])


def test_as_many_classes_of_other_names_keep_no_row(build, recognizer):
    folder = recognizer(build("lenet5", num_classes=3, in_channels=1), ["a", "b", "c"])
    model = create_model("lenet5", num_classes=3, in_channels=1)
    fresh = model.head.weight.clone()

    loaded = load_weights(model, folder, classes=["x", "y", "z"])

    assert loaded.message.startswith("head replaced (3 -> 3 classes); 8 of 8")
    assert torch.equal(model.head.weight, fresh)


def test_a_detector_keeps_its_background_boxes_and_known_classes(build, recognizer):
    trained = build("ssd_resnet18", num_classes=2)
    folder = recognizer(trained, ["cell", "plate"])
    model = build("ssd_resnet18", num_classes=3)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.zero_()

    loaded = load_weights(model, folder, classes=["new", "plate", "other"])

    old = trained.head.classes[1].weight.view(4, 3, -1)
    new = model.head.classes[1].weight.view(4, 4, -1)
    assert loaded.kept_classes == ("plate",)
    assert torch.equal(new[:, [0, 2]], old[:, [0, 2]])
    assert torch.count_nonzero(new[:, [1, 3]]) == 0
    assert torch.equal(model.head.boxes[1].weight, trained.head.boxes[1].weight)


def test_a_run_folder_stands_for_its_recognizer(build, recognizer, tmp_path):
    trained = build("lenet5", num_classes=3, in_channels=1)
    recognizer(trained, ["a", "b", "c"])

    model = create_model("lenet5", in_channels=1, weights=tmp_path)

    assert model.head.out_features == 3
    assert torch.equal(model.head.weight, trained.head.weight)


def test_a_recognizer_of_another_architecture_is_refused(build, recognizer):
    folder = recognizer(build("lenet5", num_classes=3), ["a", "b", "c"])

    with pytest.raises(ArtefactError, match=r"misshapen: conv1\.weight \(6, 3, 5, 5\) instead of"):
        create_model("lenet5", in_channels=1, weights=folder)


def test_a_damaged_recognizer_is_refused(build, recognizer):
    folder = recognizer(build("lenet5", num_classes=3), ["a", "b", "c"])
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))

    with pytest.raises(ArtefactError, match=r"model\.safetensors was changed"):
        read_source(folder)


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"classes": "abc"}', '{"classes": [1]}'])
def test_a_recognizer_without_class_names_is_refused(build, recognizer, text):
    folder = recognizer(build("lenet5", num_classes=3), [], text=text)

    with pytest.raises(ArtefactError, match="has no list of classes"):
        read_source(folder)


def test_a_recognizer_whose_names_and_head_differ_is_refused(build, recognizer):
    folder = recognizer(build("lenet5", num_classes=3), ["a", "b"])

    with pytest.raises(ArtefactError, match="class names and its head do not agree in number"):
        load_weights(build("lenet5", num_classes=2), folder)


def test_class_names_must_be_as_many_as_the_classes(build, recognizer):
    folder = recognizer(build("lenet5", num_classes=3), ["a", "b", "c"])

    with pytest.raises(UsageError, match="2 class names for a model of 3 classes"):
        load_weights(build("lenet5", num_classes=3), folder, classes=["a", "b"])


def test_codes_of_the_paper_lenet_go_with_their_classes(build, recognizer):
    old = build("lenet5_paper", num_classes=10, in_channels=1)
    folder = recognizer(old, [f"digit {number}" for number in range(10)])
    model = create_model("lenet5_paper", num_classes=3, in_channels=1)
    fresh = model.output.codes.clone()

    loaded = load_weights(model, folder, classes=["digit 7", "letter A", "digit 2"])

    assert loaded.kept_classes == ("digit 7", "digit 2")
    codes = model.output.codes
    assert torch.equal(codes[[0, 2]], old.output.codes[[7, 2]])
    assert torch.equal(codes[1], fresh[1])
    assert torch.equal(model.c3.weight, old.c3.weight)


def test_of_every_library_the_terms_are_known():
    assert all(library.licence for library in LIBRARIES.values())


def test_files_that_were_fetched_say_how_their_pictures_were_normalised(tmp_path):
    path = tmp_path / "weights.safetensors"
    origin = json.dumps({"mean": [0.1, 0.2, 0.3], "std": [1, 1, 2]})
    save_tensors(path, {"a": torch.ones(1)}, {"manako": origin})

    assert normalisation_of_file(f"timm:{path}", "swin_t") == ((0.1, 0.2, 0.3), (1.0, 1.0, 2.0))


@pytest.mark.parametrize(
    ("layout", "model", "expected"),
    [
        ("torchvision", "resnet18", IMAGENET),
        ("torchvision", "ssd_resnet18", IMAGENET),
        ("torchvision", "googlenet", HALF),  # its weights came from elsewhere
        ("timm", "vit_tiny_patch16_224", None),  # AugReg's is 0.5, DeiT's is ImageNet's
        ("timm", "swin_t", None),
        ("transformers", "swin_t", None),
    ],
)
def test_of_other_files_what_holds_for_all_of_their_kind_is_known(
    tmp_path, layout, model, expected
):
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"a": torch.ones(1)})

    assert normalisation_of_file(f"{layout}:{path}", model) == expected


@pytest.mark.parametrize(
    ("name", "origin", "error", "message"),
    [
        ("timm:a.safetensors", "{", ArtefactError, "in a damaged way where it comes from"),
        ("timm:a.safetensors", '{"mean": 1}', ArtefactError, "in a damaged way"),
        ("timm:a.safetensors", '{"mean": [1, 1], "std": [1, 1]}', ArtefactError, "damaged way"),
        ("timm:a.pth", "{}", ArtefactError, "a .pth file is a pickle"),
        ("tim:a.safetensors", "{}", UnknownName, "no source of weights 'tim'"),
    ],
)
def test_what_says_no_normalisation_is_refused(tmp_path, name, origin, error, message):
    layout, _, file = name.partition(":")
    save_tensors(tmp_path / file, {"a": torch.ones(1)}, {"manako": origin})

    with pytest.raises(error, match=message):
        normalisation_of_file(f"{layout}:{tmp_path / file}", "swin_t")
