"""`manako train`: from data to a recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manako.cli.options import (
    Batch,
    Data,
    Json,
    Quiet,
    is_first_process,
    parse_freeze,
    parse_options,
)

if TYPE_CHECKING:  # torch takes seconds to import, which --help can spare
    from manako.runs.folds import Folds

_AS_GIVEN = (  # options that are called as the setting is
    "task", "weights", "group_by", "fold", "epochs", "steps", "batch", "accumulate", "augment",
    "mixup", "cutmix", "mirror", "optimizer", "lr", "momentum", "weight_decay", "schedule",
    "warmup_steps", "label_smoothing", "class_weights", "clip_norm", "stage_lr_factor",
    "bias_lr_factor", "validate_every", "save_seconds", "device", "threads", "workers", "seed",
    "representation",
)  # fmt: skip


def train(
    data: Data,
    task: Annotated[str | None, typer.Option(help="Found from the data if not given.")] = None,
    model: Annotated[str | None, typer.Option(help="A name from `manako models`.")] = None,
    model_option: Annotated[
        list[str] | None, typer.Option(help="An option of the model, NAME=VALUE; repeatable.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="A recognizer's folder, or LIBRARY:FILE; see `manako fetch`.")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option(help="Stages that stay as they are, from the input; or backbone.")
    ] = None,
    stage_lr_factor: Annotated[
        float | None, typer.Option(help="On the rate of each stage below the one above it.")
    ] = None,
    bias_lr_factor: Annotated[
        float | None, typer.Option(help="On the rate of biases and of what norms add.")
    ] = None,
    frozen_norms: Annotated[
        bool, typer.Option("--frozen-norms", help="Batch norms keep their statistics.")
    ] = False,
    group_by: Annotated[
        str | None, typer.Option(help="A pattern; its group in a path names what stays together.")
    ] = None,
    fold: Annotated[
        str | None, typer.Option(help="Validate on one part of the data, such as 2/5.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Cross-validate: a run for each of so many parts.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="A list of pictures to leave out, one path a line.")
    ] = None,
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="Train though splits share a picture.")
    ] = False,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training data.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of one batch each.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Wall-clock time from start to recognizer, such as 10m.")
    ] = None,
    batch: Batch = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts that a batch is computed in, to save memory.")
    ] = None,
    imgsz: Annotated[
        str | None,
        typer.Option(help="Input size in pixels: 224, HEIGHTxWIDTH, or auto with --budget."),
    ] = None,
    resize: Annotated[str | None, typer.Option(help="stretch, letterbox or crop.")] = None,
    grey: Annotated[
        bool | None, typer.Option("--grey/--colour", help="One channel or three.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help="photo, characters, randaugment, autoaugment; signal; or none."),
    ] = None,
    augment_option: Annotated[
        list[str] | None, typer.Option(help="A number of it, such as flip=true; repeatable.")
    ] = None,
    mixup: Annotated[float | None, typer.Option(min=0, help="Alpha of mixup; 0: none.")] = None,
    cutmix: Annotated[float | None, typer.Option(min=0, help="Alpha of CutMix; 0: none.")] = None,
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
    class_weights: Annotated[
        str | None, typer.Option(help="none, or balanced: rare classes count more.")
    ] = None,
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
    representation: Annotated[
        str | None, typer.Option(help="Of sounds: log-mel (a spectrogram) or waveform.")
    ] = None,
    signal_size: Annotated[
        str | None,
        typer.Option(help="Of signals: 8000 values, 64x100 bands and moments, 32x48x48 voxels."),
    ] = None,
    no_preflight: Annotated[
        bool, typer.Option("--no-preflight", help="Do not try to learn 8 pictures first.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must not exist.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved settings and stop.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a recognizer on a folder or an archive of pictures."""
    given = locals().copy()  # first of all, while there are only options
    from manako.config import parse_duration, parse_sides, parse_size
    from manako.console.messages import set_quiet

    set_quiet(quiet or not is_first_process())
    size: Any = imgsz if imgsz in (None, "auto") else parse_size(str(imgsz))
    asked = {name: given[name] for name in _AS_GIVEN} | {
        "model_options": parse_options(model_option),
        "freeze": parse_freeze(freeze),
        "norm_statistics": "frozen" if frozen_norms else None,
        "exclude": None if exclude is None else str(exclude),
        "allow_leakage": True if allow_leakage else None,
        "budget_seconds": None if budget is None else parse_duration(budget),
        "size_hw": size,
        "rule": resize,
        "signal_size": None if signal_size is None else parse_sides(signal_size),
        "channels": None if grey is None else 1 if grey else 3,
        "augment_options": parse_options(augment_option, "--augment-option"),
        "average_decay": average,
        "stop_after": early_stop,
        "precision": None if precision == "auto" else precision,
        "preflight": False if no_preflight else None,
    }
    if dry_run:
        from manako.cli.results import show_settings
        from manako.config.settings import Asked
        from manako.runs.folder import refuse_begun
        from manako.runs.folds import refuse_undividable
        from manako.runs.start import resolve_settings

        if folds is not None:
            refuse_undividable(Asked.of({**asked, "model": model}), folds)
        elif out is not None:
            refuse_begun(out)
        show_settings(resolve_settings(data, model, **asked), json)
        return
    if folds is not None:
        from manako.runs.folds import train_folds

        found = train_folds(data, model, out=out, folds=folds, **asked)
        if is_first_process():
            show_folds(found, json)
        return

    from manako.cli.results import show_run
    from manako.runs.start import train as train_run

    finished = train_run(data, model, out=out, **asked)
    if is_first_process():
        show_run(finished, json)


def show_folds(found: Folds, json: bool) -> None:
    """The mean and deviation of every score, and the score of each run."""
    from manako.console.messages import print_json, print_table, say
    from manako.reports.numbers import score_name

    if json:
        print_json(found.as_json())
        return
    for split, named in found.scores.items():
        say(f"\n{split}: {score_name(found.headline)} {named[found.headline]}")
        runs = range(1, len(found.runs) + 1)
        print_table(
            ("score", "mean", "±", *(f"fold {number}" for number in runs)),
            [
                (
                    score_name(name),
                    *(f"{value:.3f}" for value in (one.mean, one.deviation, *one.values)),
                )
                for name, one in named.items()
            ],
        )
    say(f"\nruns: {found.folder}")
