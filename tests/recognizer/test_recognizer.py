import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from manako.data.selection import Selection
from manako.errors import ArtefactError, DataError, NumericError, UsageError
from manako.models.zoo import create_model
from manako.recognizer import Recognizer, RecognizerSpec, load_recognizer
from manako.recognizer.recognizer import read_picture
from manako.structures import ClassRaw
from manako.training.precision import seeded


def spec(**changes):
    plain = {
        "manako_version": "0",
        "task": "classification",
        "model": "lenet5",
        "classes": ("cat", "dog"),
        "size_hw": (28, 28),
        "rule": "stretch",
        "colour_order": "rgb",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.25, 0.3),
    }
    return RecognizerSpec(**{**plain, **changes})


def recognizer(**changes):
    wanted = spec(**changes)
    with seeded(3):
        model = create_model(wanted.model, num_classes=2, in_channels=wanted.channels)
    return Recognizer(model, wanted)


def pixels(height=20, width=30):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def test_every_form_of_a_picture_gives_the_same_answer(tmp_path):
    array = pixels()
    path = tmp_path / "picture.png"
    path.write_bytes(png(array))
    known = recognizer()

    answers = [
        known(path),
        known(str(path)),
        known(png(array)),
        known(array),
        known(array[:, :, ::-1], color="bgr"),
        known(torch.from_numpy(array).permute(2, 0, 1)),
        known(Image.fromarray(array)),
        known(Image.open(path, formats=["PNG"])),
    ]

    for answer in answers[1:]:
        assert torch.equal(answer.probabilities, answers[0].probabilities)


def test_an_array_becomes_grey_exactly_as_a_file_does():
    array = pixels()

    from_file = read_picture(png(array), 1, "rgb", "file").image
    from_array = read_picture(array, 1, "rgb", "array").image

    assert torch.equal(from_file, from_array)


def test_a_grey_array_serves_a_colour_recognizer():
    grey = pixels()[:, :, 0]

    image = read_picture(grey, 3, "rgb", "array").image

    assert image.shape == (3, 20, 30)
    assert torch.equal(image[0], image[2])


@pytest.mark.parametrize(
    ("picture", "shape"),
    [
        (np.zeros((4, 4, 3), dtype=np.float32), r"\(4, 4, 3\)"),
        (np.zeros((4, 4, 4), dtype=np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), dtype=np.uint8), r"\(2, 4, 4, 3\)"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"\(4, 4, 3\)"),
    ],
)
def test_an_array_of_another_layout_is_refused_with_what_came(picture, shape):
    with pytest.raises(UsageError, match=rf"picture 0 is \S+ of shape {shape}"):
        recognizer()(picture)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pillow_image_is_read_as_its_file_is(mode, channels):
    made = Image.fromarray(pixels())
    made.putalpha(Image.linear_gradient("L").resize(made.size))
    made = Image.new("I;16", (30, 20), 40000) if mode == "I;16" else made.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    stream = io.BytesIO()
    made.save(stream, "TIFF" if mode == "CMYK" else "PNG", exif=exif)

    from_file = read_picture(stream.getvalue(), channels, "rgb", "file").image
    opened = Image.open(stream, formats=["TIFF", "PNG"])
    from_image = read_picture(opened, channels, "rgb", "image").image

    assert from_file.shape == (channels, 30, 20)
    assert torch.equal(from_image, from_file)


def test_a_pillow_image_that_cannot_be_read_is_refused_by_name():
    cut = Image.open(io.BytesIO(png(pixels(200, 300))[:5000]), formats=["PNG"])

    with pytest.raises(DataError, match="picture 0 is damaged"):
        recognizer()(cut)
    with pytest.raises(DataError, match="picture 0 has pixels of the kind 'F'"):
        recognizer()(Image.new("F", (30, 20)))
    with pytest.raises(DataError, match="picture 0 is 0 x 5 pixels"):
        recognizer()(Image.new("L", (0, 5)))


@pytest.mark.parametrize("picture", [[1, 2], bytearray(b"x"), None, 3])
def test_what_is_no_picture_is_refused_with_its_type(picture):
    with pytest.raises(UsageError, match=f"picture 0 is of type {type(picture).__name__}\n"):
        recognizer()(picture)


@pytest.mark.parametrize("color", ["rbg", "BGR", "", None])
def test_an_order_of_colours_that_is_none_is_refused(color):
    with pytest.raises(UsageError, match=f"no order of colours '{color}'"):
        recognizer().predict([pixels()], color=color)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nothing\.png: No such file"):
        recognizer()(tmp_path / "nothing.png")


def test_a_batch_and_single_pictures_agree():
    known = recognizer()
    pictures = [pixels(20, 20 + index) for index in range(9)]

    together = known.predict(pictures, batch_size=9)

    for picture, one in zip(pictures, together, strict=True):
        torch.testing.assert_close(
            known(picture).probabilities, one.probabilities, atol=1e-5, rtol=0
        )


def test_mirrored_averaging_gives_a_picture_and_its_mirror_image_one_answer():
    known = recognizer(mirror=True)
    array = np.ascontiguousarray(np.repeat(pixels(28, 14), 2, axis=1))

    straight, mirrored = known.predict([array, array[:, ::-1]])

    torch.testing.assert_close(straight.probabilities, mirrored.probabilities, atol=1e-6, rtol=0)


def test_predicting_leaves_the_mode_of_the_network_as_it_was():
    known = recognizer()
    known.model.train()

    known(pixels())

    assert known.model.training


def test_an_answer_that_is_not_finite_is_refused():
    known = recognizer()
    with torch.no_grad():
        next(known.model.parameters()).fill_(float("nan"))

    with pytest.raises(NumericError, match="not a finite number, in a batch with picture 0"):
        known(pixels())


def test_a_saved_recognizer_comes_back_whole(tmp_path):
    known = recognizer(mirror=True, thresholds={}, data_fingerprint="abc")

    known.save(tmp_path / "saved")
    loaded = load_recognizer(tmp_path / "saved")

    assert loaded.spec == known.spec
    picture = pixels()
    assert torch.equal(loaded(picture).probabilities, known(picture).probabilities)
    assert {one.name for one in (tmp_path / "saved").iterdir()} == {
        "MANIFEST",
        "model.safetensors",
        "recognizer.json",
    }


@given(data=st.data())
def test_any_changed_byte_is_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "changed"
    if not folder.exists():
        recognizer().save(folder)
    path = folder / data.draw(st.sampled_from(["MANIFEST", "model.safetensors", "recognizer.json"]))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))

    path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
    try:
        with pytest.raises(ArtefactError):
            load_recognizer(folder)
    finally:
        path.write_bytes(whole)


def test_a_folder_that_is_no_recognizer_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match=r"is no recognizer: it has no recognizer\.json"):
        load_recognizer(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "has schema version 2"),
        ({"classes": ["cat", "cat"]}, "is not valid"),
        ({"mean": [0.5]}, "is not valid"),
        ({"surprise": 1}, "surprise is not valid"),
        ({"task": "juggling"}, "task is not valid"),
        ({"thresholds": {"temprature": 2}}, "no option of classification 'temprature'"),
        ({"fold": "6/5"}, "fold cannot be '6/5'"),
        ({"group_by": "("}, "is not valid"),
    ],
)
def test_a_specification_that_cannot_be_is_refused(change, message):
    fields = {**spec().model_dump(mode="json"), **change}

    with pytest.raises(ArtefactError, match=message):
        RecognizerSpec.parse(json.dumps(fields), "recognizer.json")


def test_a_specification_says_how_the_data_were_divided():
    known = spec(split_seed=7, group_by="([a-z]+)", fold="2/5")

    again = RecognizerSpec.parse(known.model_dump_json(), "recognizer.json")

    assert again.selection == Selection(7, "([a-z]+)", (2, 5))


def test_a_specification_without_the_newer_fields_is_read():
    fields = spec().model_dump(mode="json")
    del fields["group_by"], fields["fold"], fields["thresholds"], fields["excluded"]

    old = RecognizerSpec.parse(json.dumps(fields), "recognizer.json")

    assert old == spec()
    assert old.selection == Selection(0)


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ArtefactError, match=r"recognizer\.json: the file is not valid"):
        RecognizerSpec.parse("{", "recognizer.json")


def test_weights_of_another_architecture_are_refused(tmp_path):
    from manako.storage import save_folder
    from manako.storage.tensors import save_tensors

    def write(into):
        state = dict(recognizer().model.state_dict())
        state.pop(sorted(state)[0])
        save_tensors(into / "model.safetensors", state)
        (into / "recognizer.json").write_text(spec().model_dump_json(), encoding="utf-8")

    save_folder(tmp_path / "saved", write)

    with pytest.raises(ArtefactError, match=r"tensor .* is missing"):
        load_recognizer(tmp_path / "saved")


def test_weights_of_another_shape_are_refused(tmp_path):
    from manako.storage import save_folder
    from manako.storage.tensors import save_tensors

    def write(into):
        save_tensors(into / "model.safetensors", recognizer().model.state_dict())
        other = spec(classes=("cat", "dog", "fish"))
        (into / "recognizer.json").write_text(other.model_dump_json(), encoding="utf-8")

    save_folder(tmp_path / "saved", write)

    with pytest.raises(ArtefactError, match=r"has shape \(2,"):
        load_recognizer(tmp_path / "saved")


@pytest.mark.parametrize("mirror", [False, True])
def test_a_network_with_auxiliary_heads_answers_by_its_logits_and_is_kept(tmp_path, mirror):
    known = recognizer(model="googlenet_paper", size_hw=(32, 32), mirror=mirror)
    array = pixels(32, 32)
    known.save(tmp_path / "kept")

    answer, again = known(array), load_recognizer(tmp_path / "kept")(array)

    image = torch.from_numpy(array).permute(2, 0, 1)[None]
    images = known.spec.preparation.normalise(image)
    with torch.inference_mode():
        logits = known.model.eval()(images).logits
        if mirror:
            logits = (logits + known.model(images.flip(-1)).logits) / 2
    torch.testing.assert_close(answer.probabilities, logits.softmax(1)[0])
    assert torch.equal(again.probabilities, answer.probabilities)


def test_an_auxiliary_answer_that_is_not_finite_is_found():
    class Broken(torch.nn.Module):
        def forward(self, images):
            logits = torch.zeros(len(images), 2)
            return ClassRaw(logits, (logits / 0,))

    with pytest.raises(NumericError, match="answer is not a finite number"):
        Recognizer(Broken(), spec())(pixels())


@pytest.mark.parametrize("one", ["a.jpg", Path("a.jpg"), b"x", Image.new("L", (4, 4)), pixels()])
def test_one_picture_is_no_list_of_pictures(one):
    with pytest.raises(UsageError, match=f"one {type(one).__name__} where several pictures"):
        recognizer().predict(one)


def test_a_batch_of_arrays_is_a_list_of_pictures():
    assert len(recognizer().predict(np.stack([pixels(), pixels()]))) == 2
