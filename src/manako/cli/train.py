"""`manako train`: from data to a recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manako.cli.options import Batch, Data, Json, Quiet, is_first_process, parse_model_options


def train(
    data: Data,
    task: Annotated[str | None, typer.Option(help="Found from the data if not given.")] = None,
    model: Annotated[str | None, typer.Option(help="A name from `manako models`.")] = None,
    model_option: Annotated[
        list[str] | None, typer.Option(help="An option of the model, NAME=VALUE; repeatable.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="A recognizer's folder, or torchvision:FILE.safetensors.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training data.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of one batch each.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Wall-clock time from start to recognizer, such as 10m.")
    ] = None,
    batch: Batch = None,
    imgsz: Annotated[
        str | None, typer.Option(help="Input size in pixels: 224, or HEIGHTxWIDTH.")
    ] = None,
    resize: Annotated[str | None, typer.Option(help="stretch, letterbox or crop.")] = None,
    grey: Annotated[
        bool | None, typer.Option("--grey/--colour", help="One channel or three.")
    ] = None,
    augment: Annotated[str | None, typer.Option(help="photo, characters or none.")] = None,
    mirror: Annotated[
        bool | None, typer.Option("--mirror/--no-mirror", help="Average over mirrored pictures.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adamw.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of SGD.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of weights; biases and norms have none.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="cosine, step, onecycle or constant.")
    ] = None,
    warmup_steps: Annotated[int | None, typer.Option(min=0)] = None,
    label_smoothing: Annotated[float | None, typer.Option()] = None,
    clip_norm: Annotated[float | None, typer.Option(help="Largest gradient norm; 0: any.")] = None,
    average: Annotated[
        float | None, typer.Option(help="Decay of the weight average; 0: none.")
    ] = None,
    early_stop: Annotated[
        int | None, typer.Option(min=0, help="Validations without a better score; 0: never.")
    ] = None,
    validate_every: Annotated[int | None, typer.Option(min=1, help="In steps.")] = None,
    save_seconds: Annotated[
        float | None, typer.Option(min=0, help="Between checkpoints; 0: after every step.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, or for example cuda:0.")] = None,
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that load.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must not exist.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved settings and stop.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a recognizer on a folder or an archive of pictures."""
    from manako.config import parse_duration, parse_size
    from manako.console.messages import set_quiet

    set_quiet(quiet or not is_first_process())
    asked = {
        "task": task,
        "model_options": parse_model_options(model_option),
        "weights": weights,
        "epochs": epochs,
        "steps": steps,
        "budget_seconds": None if budget is None else parse_duration(budget),
        "batch": batch,
        "size_hw": None if imgsz is None else parse_size(imgsz),
        "rule": resize,
        "channels": None if grey is None else 1 if grey else 3,
        "augment": augment,
        "mirror": mirror,
        "optimizer": optimizer,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "warmup_steps": warmup_steps,
        "label_smoothing": label_smoothing,
        "clip_norm": clip_norm,
        "average_decay": average,
        "stop_after": early_stop,
        "validate_every": validate_every,
        "save_seconds": save_seconds,
        "precision": None if precision == "auto" else precision,
        "device": device,
        "threads": threads,
        "workers": workers,
        "seed": seed,
    }
    if dry_run:
        from manako.cli.results import show_settings
        from manako.runs.start import resolve_settings

        show_settings(resolve_settings(data, model, **asked), json)
        return

    from manako.cli.results import show_run
    from manako.runs.start import train as train_run

    finished = train_run(data, model, out=out, **asked)
    if is_first_process():
        show_run(finished, json)
