"""Where sockets of every kind are refused, every verb still does its work."""

import socket

import pytest

import shapes
from manako.cli.main import run


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("sockets are refused")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def test_check_train_val_and_predict_need_no_socket(no_sockets, tmp_path, capsys):
    data = shapes.class_folders(tmp_path / "data")
    out = tmp_path / "run"
    options = [
        "--model",
        "quick32",
        "--model-option",
        "width=8",
        "--steps",
        "4",
        "--batch",
        "8",
        "--workers",
        "1",
    ]
    picture = next((data / "test" / "red").iterdir())

    codes = {
        "check": run(["check", str(data), "--html", str(tmp_path / "check.html"), "--quiet"]),
        "train": run(["train", str(data), "--out", str(out), *options, "--quiet"]),
        "val": run(["val", str(out), str(data), "--quiet"]),
        "predict": run(["predict", str(out), str(picture), "--quiet"]),
    }

    assert set(codes.values()) == {0}, (codes, capsys.readouterr().err)
    assert (out / "report.html").is_file()
    assert (tmp_path / "check.html").is_file()
