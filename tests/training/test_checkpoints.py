import errno
import shutil
from pathlib import Path

import pytest
import torch

from manako.errors import ArtefactError, NumericError, ResourceError
from manako.training import checkpoints as module
from manako.training.checkpoints import Checkpoints
from manako.training.distribution import Processes
from manako.training.state import TrainingState
from small_run import small_network, small_settings


def state_after(step):
    state = TrainingState(small_network(), small_settings())
    state.progress.step = step
    with torch.no_grad():
        state.model[0].weight.fill_(float(step))
    return state


def test_a_state_comes_back_as_it_was_saved(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    saved = state_after(3)
    saved.progress.loss_sums = {"cross_entropy": 0.1 + 0.2}
    saved.progress.best_score = 1 / 3
    loaded = state_after(0)

    checkpoints.save(saved)
    folder = checkpoints.load_newest(loaded)

    assert folder.name == "step-00000003"
    assert loaded.progress == saved.progress
    assert torch.equal(loaded.model[0].weight, saved.model[0].weight)


def test_the_newest_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)

    for step in (1, 2, 3, 4):
        checkpoints.save(state_after(step))

    assert sorted(one.name for one in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, capsys, name):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_after(1))
    checkpoints.save(state_after(2))
    path = tmp_path / "step-00000002" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    state = state_after(0)

    checkpoints.load_newest(state)

    assert state.progress.step == 1
    assert (tmp_path / "damaged-step-00000002").is_dir()
    assert "kept as damaged-step-00000002, trying the one before" in capsys.readouterr().err


class Second(Processes):
    """The second of two processes; the test hands over what the first one shared."""

    def share(self, value):
        return self.shared


def test_of_several_processes_the_first_alone_sets_a_damaged_checkpoint_aside(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_after(1))
    checkpoints.save(state_after(2))
    (tmp_path / "step-00000002" / "state.json").unlink()
    second, state = Second(rank=1, world=2), state_after(0)
    object.__setattr__(second, "shared", tmp_path / "step-00000001")

    assert checkpoints.load_newest(state, second) == tmp_path / "step-00000001"

    assert state.progress.step == 1
    assert (tmp_path / "step-00000002").is_dir()


def test_when_all_are_damaged_nothing_is_trained_over_them(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_after(1))
    (tmp_path / "step-00000001" / "state.json").unlink()

    with pytest.raises(ArtefactError, match=r"all 1 checkpoints in .* are damaged"):
        checkpoints.load_newest(state_after(0))


def test_without_a_checkpoint_the_state_stays_as_it_is(tmp_path):
    state = state_after(0)

    assert Checkpoints(tmp_path).load_newest(state) is None
    assert state.progress.step == 0


@pytest.mark.parametrize("poisoned", ["model", "average", "optimizer"])
def test_what_is_not_finite_is_never_saved(tmp_path, poisoned):
    state = state_after(1)
    loss = state.model(torch.rand(4, 1, 8, 8)).sum()
    loss.backward()
    state.optimizer.step()
    next(iter(state.tensors()[poisoned].values())).view(-1)[0] = float("nan")

    with pytest.raises(NumericError, match=rf"{poisoned}/\S+ is not finite after step 1"):
        Checkpoints(tmp_path).save(state)

    assert list(tmp_path.iterdir()) == []


def test_the_first_failure_to_save_is_forgiven_and_the_second_names_what_is_good(
    tmp_path, monkeypatch, capsys
):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_after(1))

    def full(target, write):
        raise ResourceError("disk full", fix="make room")

    monkeypatch.setattr(module, "save_folder", full)
    checkpoints.save(state_after(2))

    assert "could not save step 2: disk full; will try once more" in capsys.readouterr().err
    with pytest.raises(
        ResourceError, match=r"could not save step 3: disk full[\s\S]*step-00000001"
    ):
        checkpoints.save(state_after(3))


def test_a_save_that_succeeds_forgets_the_failure_before(tmp_path, monkeypatch, capsys):
    checkpoints = Checkpoints(tmp_path)
    real = module.save_folder

    def full(target, write):
        raise ResourceError("disk full")

    for step in (1, 3, 5):
        monkeypatch.setattr(module, "save_folder", full)
        checkpoints.save(state_after(step))
        monkeypatch.setattr(module, "save_folder", real)
        checkpoints.save(state_after(step + 1))

    assert capsys.readouterr().err.count("will try once more") == 3


def test_without_forgiveness_the_first_failure_is_an_error(tmp_path, monkeypatch):
    def full(target, write):
        raise ResourceError("disk full")

    monkeypatch.setattr(module, "save_folder", full)

    with pytest.raises(
        ResourceError, match=r"could not save step 1: disk full[\s\S]*no checkpoint"
    ):
        Checkpoints(tmp_path).save(state_after(1), forgive=False)


def test_an_old_checkpoint_that_cannot_be_removed_is_named_and_the_new_one_stays(
    tmp_path, monkeypatch, capsys
):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(state_after(step))

    def stuck(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "_remove", stuck)
    checkpoints.save(state_after(3), forgive=False)

    assert "an old checkpoint could not be removed" in capsys.readouterr().err
    newest = state_after(0)
    checkpoints.load_newest(newest)
    assert newest.progress.step == 3


def test_a_folder_that_cannot_be_made_is_a_refusal_of_the_disk(tmp_path, monkeypatch):
    def refused(self, **how):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refused)

    with pytest.raises(ResourceError, match="the disk is read-only"):
        Checkpoints(tmp_path / "checkpoints")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_after(1))
    other = TrainingState(torch.nn.Sequential(torch.nn.Linear(2, 2)), small_settings())

    with pytest.raises(ArtefactError, match="the checkpoint's model and this network differ in"):
        checkpoints.load_newest(other)


def test_the_best_network_is_replaced_and_checked(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(state_after(1).model)
    checkpoints.save_best(state_after(2).model)

    assert float(checkpoints.load_best()["0.weight"].max()) == 2.0
    path = tmp_path / "best" / "model.safetensors"
    shutil.copy(path, tmp_path / "copy")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ArtefactError, match=r"model\.safetensors"):
        checkpoints.load_best()
