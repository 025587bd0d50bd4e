"""Public weights from a server on this machine, in place of the publishers'."""

import hashlib
import json
from http.server import SimpleHTTPRequestHandler
from urllib.parse import urlsplit

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from manako.cli.main import run
from manako.errors import ArtefactError, ResourceError, UnknownName, UsageError
from manako.models.fetch import fetch_weights
from manako.models.foreign.published import PUBLISHED, published
from manako.models.zoo import MODELS, create_model, model_info
from manako.storage.tensors import load_metadata
from web import serving


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """mirror(model, write) puts what `write(path)` makes where its public weights are looked for.

    Gives the SHA-256; the server states it as huggingface.co does.
    """
    root = tmp_path / "mirror"

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=root)

        def end_headers(self):
            if self.path.endswith("model.safetensors"):
                digest = hashlib.sha256((root / self.path[1:]).read_bytes()).hexdigest()
                self.send_header("X-Linked-Etag", f'"{digest}"')
            super().end_headers()

        def log_message(self, *_):
            pass

    def put(model, write, **which):
        parts = urlsplit(published(model, **which).url)
        path = root / parts.netloc / parts.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.chdir(tmp_path)
    with serving(Files) as address:
        monkeypatch.setenv("MANAKO_MIRROR", address + "/")
        yield put
    left = {path.name for path in tmp_path.iterdir()} - {"mirror"}
    assert all(name.endswith(".safetensors") and not name.startswith(".") for name in left)


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(0)
    return torchvision.models.resnet18().eval()


def test_a_pickle_becomes_tensors_that_give_the_same_answers(mirror, resnet18, tmp_path):
    sha256 = mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    found = fetch_weights("resnet18", sha256=sha256)

    assert found.path.name == "resnet18-IMAGENET1K_V1.safetensors"
    assert found.sha256 == sha256
    ours = create_model("resnet18", weights=found.weights).eval()
    torch.testing.assert_close(ours(images), resnet18(images), rtol=1e-4, atol=1e-4)
    origin = json.loads(load_metadata(found.path)["manako"])
    assert origin["sha256"] == sha256
    assert origin["url"].startswith("https://download.pytorch.org/")
    assert origin["mean"] == [0.485, 0.456, 0.406]


def test_the_published_hash_is_checked(mirror, resnet18):
    mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))

    with pytest.raises(ArtefactError, match=r"not the file that was promised[\s\S]*f37072fd"):
        fetch_weights("resnet18")


def test_the_hash_that_the_hub_states_is_checked(mirror, tmp_path):
    with torch.device("meta"):
        model = MODELS["resnetv2_50"].build(num_classes=1000, in_channels=3)
    tensors = {name: torch.zeros(tensor.shape) for name, tensor in model.state_dict().items()}

    def ours(path):
        save_file(tensors, path)

    mirror("resnetv2_50", ours)

    with pytest.raises(ArtefactError, match="does not fit the model"):  # our names are not timm's
        fetch_weights("resnetv2_50")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "layer4" not in k}, "missing: backbone"),
        (lambda state: state | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, "misshapen: backbone"),
        (lambda state: state | {"fc.weight": torch.zeros(5, 512), "fc.bias": torch.zeros(5)},
         r"has another head than resnet18: head.weight is \(5, 512\)"),
        (lambda state: list(state.values()), "it holds a list, not named tensors"),
        (lambda state: {"conv1.weight": "a"}, "cannot be read"),
    ],
)  # fmt: skip
def test_other_files_are_refused_and_nothing_is_kept(mirror, resnet18, content, message, tmp_path):
    sha256 = mirror("resnet18", lambda path: torch.save(content(resnet18.state_dict()), path))

    with pytest.raises(ArtefactError, match=message):
        fetch_weights("resnet18", sha256=sha256)

    assert not list(tmp_path.glob("*.safetensors"))


def test_a_file_far_larger_than_the_model_is_refused(mirror):
    sha256 = mirror("resnet18", lambda path: path.write_bytes(bytes(120_000_000)))

    with pytest.raises(ArtefactError, match="is larger than"):
        fetch_weights("resnet18", sha256=sha256)


def test_what_is_not_there_is_said(mirror):
    with pytest.raises(ResourceError, match="the server answers 404"):
        fetch_weights("resnet18")


def test_a_file_that_is_there_is_not_replaced_and_the_name_must_say_what_it_is(mirror, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"mine")

    with pytest.raises(UsageError, match=r"mine\.safetensors exists already"):
        fetch_weights("resnet18", "mine.safetensors")
    with pytest.raises(UsageError, match=r"a name that ends in \.safetensors"):
        fetch_weights("resnet18", "mine.pth")

    assert (tmp_path / "mine.safetensors").read_bytes() == b"mine"


def test_models_and_files_that_nobody_publishes_are_refused():
    with pytest.raises(UnknownName, match="no model 'resnet81'"):
        fetch_weights("resnet81")
    with pytest.raises(UnknownName, match="no public weights of 'quick32'"):
        fetch_weights("quick32")
    with pytest.raises(UsageError, match=r"resnet50 has no public weights timm\n.*torchvision"):
        fetch_weights("resnet50", layout="timm")


@pytest.mark.parametrize("source", PUBLISHED, ids=lambda one: f"{one.model}-{one.label}")
def test_every_published_file_is_of_a_model_and_a_layout_that_are_there(source):
    info = model_info(source.model)

    assert source.layout in info.weights
    assert source.url.startswith("https://")
    if source.layout == "torchvision":
        assert len(source.sha256) == 8
        assert source.url.endswith(f"-{source.sha256}.pth")


def test_the_verb_says_where_the_file_is_and_how_to_use_it(mirror, resnet18, capsys, tmp_path):
    sha256 = mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))

    code = run(["fetch", "resnet18", "--sha256", sha256, "--out", "w.safetensors", "--json"])

    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert said["weights"] == "torchvision:w.safetensors"
    assert said["sha256"] == sha256
    assert (tmp_path / "w.safetensors").exists()


def test_a_wrong_hash_ends_the_verb_with_the_code_of_a_refused_artefact(mirror, resnet18, capsys):
    mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))

    assert run(["fetch", "resnet18"]) == 4

    assert "not the file that was promised" in capsys.readouterr().err
