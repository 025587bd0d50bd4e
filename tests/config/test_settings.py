import pytest
from hypothesis import given
from hypothesis import strategies as st

from manako.config import Asked, Resolved, Settings, format_duration, parse_duration, parse_size
from manako.config.sizes import format_size
from manako.errors import ArtefactError, UnknownName, UsageError


def settings(**changes):
    plain = {
        "data": "pictures",
        "task": "classification",
        "model": "lenet5",
        "size_hw": (28, 28),
        "batch": 8,
        "steps": 10,
        "validate_every": 5,
        "lr": 0.1,
    }
    return Settings(**{**plain, **changes})


def test_settings_come_back_from_their_file_with_their_origins(tmp_path):
    resolved = Resolved(
        settings=settings(seed=7, model_options={"width": 8}), origins={"seed": "asked"}
    )

    resolved.save(tmp_path / "config.yaml")
    loaded = Resolved.load(tmp_path / "config.yaml")

    assert loaded.settings == resolved.settings
    assert loaded.origins["seed"] == "asked"
    assert loaded.origins["lr"] == "default"


def test_a_file_that_is_no_configuration_is_refused_by_name(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("- 1\n", encoding="utf-8")

    with pytest.raises(ArtefactError, match=r"config\.yaml is not the configuration of a run"):
        Resolved.load(path)


@pytest.mark.parametrize(
    "damaged",
    [b"\xff\xfe\x00", b"a: \x00", b"seed: 3", b"seed: [1]", b"seed: {value: 1}", b"1: {}"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damaged):
    path = tmp_path / "config.yaml"
    path.write_bytes(damaged)

    with pytest.raises(ArtefactError, match=r"config\.yaml"):
        Resolved.load(path)


def test_a_changed_value_out_of_range_is_refused_with_the_file_and_the_field(tmp_path):
    path = tmp_path / "config.yaml"
    Resolved(settings=settings(), origins={}).save(path)
    text = path.read_text(encoding="utf-8").replace("value: 8\n", "value: 0\n", 1)
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ArtefactError, match=r"config\.yaml: batch cannot be 0"):
        Resolved.load(path)


def test_yaml_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("data: !!python/object/apply:os.system ['true']\n", encoding="utf-8")

    with pytest.raises(ArtefactError, match="is not the configuration of a run"):
        Resolved.load(path)


def test_an_unknown_option_offers_the_nearest():
    with pytest.raises(UnknownName, match="no option 'epoch'; did you mean 'epochs'"):
        Asked.of({"epoch": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1),
        ("lr", float("inf")),
        ("momentum", 1),
        ("weight_decay", -0.1),
        ("label_smoothing", 1),
        ("average_decay", 1.0),
        ("clip_norm", -1),
        ("warmup_steps", -1),
        ("seed", -1),
        ("epochs", float("inf")),
        ("batch", 1),
        ("task", "juggling"),
        ("freeze", -1),
        ("freeze", "head"),
    ],
)
def test_a_value_out_of_range_names_the_option(name, value):
    with pytest.raises(UsageError, match=f"^{name} cannot be {value!r}"):
        Asked.of({name: value})


@pytest.mark.parametrize(
    ("size_hw", "wrong"),
    [((-32, -32), "-32"), ((32, 0), "0"), (("wide", 32), "'wide'"), (32, "32")],
)
def test_a_size_that_cannot_be_is_refused_under_the_name_of_the_field(size_hw, wrong):
    with pytest.raises(UsageError, match=f"^size_hw cannot be {wrong}\n"):
        Asked.of({"size_hw": size_hw})


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("45", 45), ("0.5m", 30)]
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "ten", "0", "-5s", "5x", "m", "10m5h", "1h30", "1H1.5"])
def test_a_text_that_is_no_duration_is_refused(text):
    with pytest.raises(UsageError, match=f"'{text}' is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (42.4, "42 s"), (425, "7 min 5 s"), (4320, "1 h 12 min")],
)
def test_durations_are_written_for_people(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(1, 99999), st.integers(1, 99999))
def test_a_size_written_is_the_size_read(height, width):
    assert parse_size(format_size((height, width))) == (height, width)


@pytest.mark.parametrize("text", ["0", "224x0", "x", "12x", "1.5", "-3"])
def test_a_text_that_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match=f"'{text}' is no picture size"):
        parse_size(text)
