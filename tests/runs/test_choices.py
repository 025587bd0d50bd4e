import pytest
import torch

import shapes
from manako.config import Asked
from manako.data.opened import open_sources, read_for_training
from manako.data.preparation import Preparation
from manako.data.selection import Selection
from manako.errors import DataError, UsageError
from manako.models.zoo import list_models
from manako.runs.choices import allowed_sizes, resolve, usable_cores
from manako.runs.defaults import RECIPES, default_model, default_size, recipe_for
from manako.runs.look import Look, look_at, measure_normalisation


def test_every_model_has_a_recipe():
    recipes = {name: recipe_for(name) for name in list_models()}

    assert recipes["resnet20"] is RECIPES["resnet_cifar"]
    assert recipes["resnet50"] is RECIPES["resnet"]
    assert recipes["densenet_bc_100_12"] is RECIPES["densenet"]
    assert recipes["preact_resnet110"] is RECIPES["preact_resnet"]
    assert recipes["resnetv2_50"] is RECIPES["resnet"]
    assert recipes["googlenet"] is RECIPES["googlenet"]
    assert recipes["googlenet_paper"] is RECIPES["googlenet_paper"]
    assert recipes["mobilenetv1_050"] is RECIPES["mobilenet"]
    assert recipes["efficientnet_b2"] is RECIPES["efficientnet"]
    assert recipes["ssd_resnet18"] is RECIPES["ssd"]
    assert all(recipe in RECIPES.values() for recipe in recipes.values())


def test_the_learning_rate_follows_the_batch():
    assert recipe_for("resnet18").lr_for(128) == pytest.approx(2 * recipe_for("resnet18").lr)
    assert recipe_for("unet").lr_for(2) == pytest.approx(recipe_for("unet").lr / 2)


@pytest.mark.parametrize(
    ("task", "size_hw", "model"),
    [
        ("classification", (28, 28), "quick32"),
        ("classification", (300, 200), "resnet18"),
        ("detection", (480, 640), "ssd_resnet18"),
        ("segmentation", (360, 480), "unet_bn"),
    ],
)
def test_the_model_suits_task_and_picture_size(task, size_hw, model):
    chosen, why = default_model(task, size_hw)

    assert chosen == model
    assert why


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("pictures_hw", [(8, 8), (28, 28), (64, 48), (480, 640), (1080, 1920)])
def test_the_default_size_is_one_that_the_network_takes(name, pictures_hw):
    task = next(task for task in shapes.MAKERS if name in list_models(task))
    allowed = allowed_sizes(name, 3, {})

    size_hw = allowed.default(task, pictures_hw)

    allowed.check(size_hw)
    assert max(size_hw) <= 320


def test_larger_pictures_keep_their_shape_where_places_matter():
    assert default_size("detection", "ssd_resnet18", (480, 640), 1) == (240, 320)
    assert default_size("segmentation", "unet_bn", (360, 480), 8) == (192, 256)


def test_a_small_square_is_rounded_to_what_the_network_takes():
    assert default_size("classification", "vit_h_14", (480, 640), 14) == (126, 126)
    assert default_size("classification", "vit_b_16", (480, 640), 16) == (128, 128)


def test_an_asked_value_always_wins(tmp_path):
    data = shapes.class_folders(tmp_path / "data")
    dataset = read_for_training(data, Selection())
    asked = Asked.of({
        "model": "resnet20", "batch": 5, "epochs": 2.0, "lr": 0.7, "schedule": "step", "seed": 9,
        "threads": 1, "workers": 2, "precision": "float32", "size_hw": (48, 40), "augment": "none",
        "weight_decay": 0.0, "average_decay": 0.0, "warmup_steps": 3,
    })  # fmt: skip

    resolved = resolve(asked, dataset, look_at(dataset), str(data))

    values = resolved.settings.model_dump()
    for name, value in asked.model_dump(exclude_none=True, exclude={"epochs"}).items():
        assert values[name] == value, name
        assert resolved.origins[name] == "asked", name
    assert values["steps"] == 2 * 5


def resolved(folder, **asked):
    data = shapes.class_folders(folder / "data")
    dataset = read_for_training(data, Selection())
    return resolve(Asked.of({"threads": 1, **asked}), dataset, look_at(dataset), str(data))


def test_another_optimizer_than_the_recipe_s_brings_its_own_rate_and_decay(tmp_path):
    found = resolved(tmp_path, model="quick32", batch=16, optimizer="adamw")

    settings, origins = found.settings, found.origins
    assert settings.lr == pytest.approx(1e-3 * (16 / 64) ** 0.5)
    assert (settings.weight_decay, settings.bias_lr_factor) == (1e-2, 1.0)
    assert origins["lr"] == origins["weight_decay"] == "usual for adamw"
    own = resolved(tmp_path / "own", model="quick32", batch=16, optimizer="sgd")
    assert own.settings.lr == pytest.approx(0.5 * 16 / 256)
    assert own.origins["lr"] == "recipe of quick32"
    other = recipe_for("unet_bn").with_optimizer("sgd")
    assert other.lr_for(64) == pytest.approx(0.05)
    assert (other.weight_decay, other.clip_norm) == (5e-4, recipe_for("unet_bn").clip_norm)


@pytest.mark.parametrize(
    ("side", "grey", "augment"),
    [
        (105, True, "characters"),
        (128, True, "characters"),
        (129, True, "photo"),
        (64, False, "photo"),
    ],
)
def test_small_grey_pictures_are_taken_for_characters(tmp_path, side, grey, augment):
    data = shapes.class_folders(tmp_path / "data")
    dataset = read_for_training(data, Selection())
    look = Look((side, side), grey)

    found = resolve(Asked.of({"threads": 1, "model": "resnet20"}), dataset, look, str(data))

    assert found.settings.augment == augment


def test_origins_tell_what_was_asked(tmp_path):
    asked = resolved(tmp_path / "asked", model="lenet5", epochs=3, device="auto")
    left = resolved(tmp_path / "left", model="lenet5")

    assert asked.origins["steps"].startswith("asked: 3 epochs of ")
    assert left.origins["steps"].startswith("recipe: 20 epochs of ")
    assert asked.origins["device"] == left.origins["device"] == "found"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"freeze": "backbone", "stage_lr_factor": 0.5}, r"only the head(.|\n)*--stage-lr-factor"),
        ({"warmup_steps": 50, "steps": 50}, r"warm-up of 50 steps does not end within the 50"),
        ({"norm_statistics": "frozen", "model": "lenet5"}, r"lenet5 has no batch norms"),
    ],
)
def test_what_would_do_nothing_is_refused(tmp_path, asked, message):
    with pytest.raises(UsageError, match=message):
        resolved(tmp_path, **{"model": "resnet20", **asked})


def test_a_size_that_the_network_cannot_take_is_refused_with_one_that_it_can():
    with pytest.raises(UsageError, match=r"multiples of 8, not 60x64[\s\S]*--imgsz 64x64"):
        allowed_sizes("unet_bn", 3, {}).check((60, 64))
    with pytest.raises(UsageError, match=r"lenet5 takes pictures of 28x28 pixels only, not 32x32"):
        allowed_sizes("lenet5", 3, {}).check((32, 32))
    assert allowed_sizes("lenet5", 3, {"size": 32}).fixed_hw == (32, 32)


@pytest.mark.parametrize(
    ("model", "size_hw", "sizes"),
    [
        ("unet_bn", (192, 256), [(192, 256), (144, 192), (96, 128)]),
        ("resnet18", (128, 128), [(128, 128), (96, 96), (64, 64)]),
        ("ssd_resnet18", (50, 50), [(50, 50), (38, 38)]),
        ("lenet5", (28, 28), [(28, 28)]),
    ],
)
def test_smaller_sizes_keep_the_shape_and_end_where_the_network_refuses(model, size_hw, sizes):
    assert allowed_sizes(model, 3, {}).smaller(size_hw) == sizes


def test_a_process_may_use_at_least_one_core():
    assert usable_cores() >= 1


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    data = shapes.class_folders(tmp_path_factory.mktemp("choices") / "data")
    return open_sources(read_for_training(data, Selection()), 3, workers=1)


def test_a_look_tells_size_and_colour(opened, tmp_path):
    look = look_at(opened.dataset)

    assert (look.size_hw, look.grey) == ((32, 32), False)


def test_mean_and_deviation_are_those_of_all_pixels(opened):
    plain = Preparation((32, 32), "stretch", 3, (0.0,) * 3, (1.0,) * 3)
    source = opened.source("train")

    mean, std = measure_normalisation(source, plain)

    pixels = torch.stack([source[index].image for index in range(len(source))]).double() / 255
    flat = pixels.transpose(0, 1).flatten(1)
    assert mean == pytest.approx(flat.mean(1).tolist(), abs=1e-4)
    assert std == pytest.approx(flat.std(1, unbiased=False).tolist(), abs=1e-4)


def test_a_split_that_is_not_there_is_refused_with_those_that_are(opened):
    with pytest.raises(DataError, match=r"no pictures in split 'dev'[\s\S]*test, train, val"):
        opened.source("dev")
