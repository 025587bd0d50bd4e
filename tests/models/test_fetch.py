"""Public weights from a server on this machine, in place of the publishers'."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from manako.cli.main import run
from manako.errors import ArtefactError, ResourceError, UnknownName, UsageError
from manako.models import fetch
from manako.models.fetch import fetch_weights
from manako.models.foreign.libraries import HALF
from manako.models.foreign.published import PUBLISHED, published
from manako.models.weights import normalisation_of_file
from manako.models.zoo import create_model, model_info
from manako.storage.temporary import temporary_path
from manako.storage.tensors import load_metadata
from web import serving


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """mirror(model, write) puts what `write(path)` makes where its public weights are looked for.

    Gives the SHA-256.
    """
    root = tmp_path / "mirror"

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=root)

        def log_message(self, *_):
            pass

    def put(model, write, label=None):
        parts = urlsplit(published(model, label).url)
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


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """hub(path, digest) serves a file as huggingface.co does; its header states `digest`."""
    stated = {}

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path)

        def end_headers(self):
            if "digest" in stated:
                self.send_header("X-Linked-Etag", f'"{stated["digest"]}"')
            super().end_headers()

        def log_message(self, *_):
            pass

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANAKO_MIRROR", raising=False)
    with serving(Files) as address:

        def put(path, digest):
            if digest is not None:
                stated["digest"] = digest
            file = replace(published("mobilenetv1_100"), url=f"{address}/{path.name}")
            monkeypatch.setattr(fetch, "published", lambda *_: file)

        yield put


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    save_file(timm.create_model("mobilenetv1_100").state_dict(), path)
    return path


def test_a_file_with_the_hash_that_the_hub_states_is_taken(hub, mobilenet, tmp_path):
    digest = hashlib.sha256(mobilenet.read_bytes()).hexdigest()
    hub(Path(shutil.copy(mobilenet, tmp_path / "model.safetensors")), digest)

    found = fetch_weights("mobilenetv1_100", "mine.safetensors")

    assert found.sha256 == digest
    assert found.weights == "timm:mine.safetensors"
    create_model("mobilenetv1_100", weights=found.weights)
    assert normalisation_of_file(found.weights, "mobilenetv1_100") == HALF


def test_a_file_with_another_hash_than_the_hub_states_is_refused(hub, mobilenet, tmp_path):
    hub(Path(shutil.copy(mobilenet, tmp_path / "model.safetensors")), "0" * 64)

    with pytest.raises(ArtefactError, match=r"not the file that was promised[\s\S]*0000"):
        fetch_weights("mobilenetv1_100", "mine.safetensors")


def test_a_hub_that_states_no_hash_is_not_believed(hub, mobilenet, tmp_path):
    hub(Path(shutil.copy(mobilenet, tmp_path / "model.safetensors")), None)

    with pytest.raises(ArtefactError, match=r"states no hash to check the file by[\s\S]*--sha256"):
        fetch_weights("mobilenetv1_100", "mine.safetensors")


def test_a_mirror_is_not_asked_for_a_hash(mirror):
    with pytest.raises(UsageError, match=r"a mirror is not asked for one[\s\S]*--sha256"):
        fetch_weights("mobilenetv1_100")


def test_a_label_chooses_the_file(mirror, tmp_path):
    theirs = torchvision.models.resnet50()
    sha256 = mirror("resnet50", lambda path: torch.save(theirs.state_dict(), path), "IMAGENET1K_V1")

    found = fetch_weights("resnet50", label="IMAGENET1K_V1", sha256=sha256)

    assert found.path.name == "resnet50-IMAGENET1K_V1.safetensors"
    assert "0676ba61" in found.source.url
    with pytest.raises(UsageError, match=r"no public weights 'V3'\n.*IMAGENET1K_V2"):
        fetch_weights("resnet50", "other.safetensors", label="V3")


def test_what_appears_meanwhile_is_not_replaced(mirror, resnet18, tmp_path):
    sha256 = mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))
    goal = tmp_path / "mine.safetensors"

    with pytest.raises(UsageError, match=r"mine\.safetensors exists already"):
        fetch_weights(
            "resnet18", goal, sha256=sha256, on_progress=lambda _: goal.write_bytes(b"another's")
        )

    assert goal.read_bytes() == b"another's"


def test_a_file_system_without_links_takes_the_file_all_the_same(mirror, resnet18, monkeypatch):
    sha256 = mirror("resnet18", lambda path: torch.save(resnet18.state_dict(), path))

    def refuse(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)

    found = fetch_weights("resnet18", sha256=sha256)

    assert found.path.is_file()


def test_what_a_killed_fetch_left_is_swept_by_the_next(mirror, resnet18, tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / temporary_path(tmp_path / "x.safetensors").name.replace(
        str(os.getpid()), str(dead.pid)
    )
    left.mkdir()

    with pytest.raises(ResourceError):
        fetch_weights("resnet18")

    assert not left.exists()


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
    with pytest.raises(UsageError, match=r"manako knows no public weights of quick32\n.*resnet50"):
        fetch_weights("quick32")


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
