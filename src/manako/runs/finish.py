"""The end of a run: the recognizer, its scores, its predictions and its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from manako.config import format_duration, format_size
from manako.config.settings import Resolved, Settings
from manako.console.messages import say
from manako.console.progress import track
from manako.data.dataset import Dataset
from manako.data.opened import OpenData
from manako.errors import ArtefactError
from manako.recognizer import (
    Evaluation,
    Recognizer,
    evaluate_and_calibrate,
    evaluate_split,
    load_recognizer,
)
from manako.reports.contents import ReportContents
from manako.reports.numbers import value_text
from manako.reports.page import write_report
from manako.reports.predictions_csv import Row, write_predictions
from manako.runs.doctor import checked
from manako.runs.findings import findings
from manako.runs.folder import RunFolder, read_json, write_json
from manako.runs.mistakes import worst_pictures
from manako.runs.result import Run
from manako.runs.session import Session
from manako.structures import Scores
from manako.training.checkpoints import Checkpoints
from manako.training.journal import Journal
from manako.training.state import TrainingState


def finish(folder: RunFolder, resolved: Resolved, session: Session, state: TrainingState) -> Run:
    """Calibrate and score the best network, then write recognizer, predictions, report and scores.

    The temperature is fitted on validation pictures, before the test pictures are looked at.
    Whatever is there already from an attempt that was killed is written anew.
    """
    model = session.empty_model()
    model.load_state_dict(Checkpoints(folder.checkpoints).load_best(), strict=True)
    plain = session.recognizer(model)
    recognizer, on_validation, calibration = evaluate_and_calibrate(plain, session.data)
    if calibration is not None:
        say(f"calibration: {calibration}")
    recognizer = with_scores(recognizer, on_validation.scores)
    recognizer.save(folder.recognizer)
    evaluations = {"val": on_validation}
    if "test" in session.data.sources:
        evaluations["test"] = evaluate_split(recognizer, session.data, "test")
    shown = "test" if "test" in evaluations else "val"
    save_predictions(folder.predictions, evaluations[shown], session.data, shown)
    contents = describe(folder, resolved, session, state, evaluations)
    if calibration is not None:
        contents = replace(contents, facts={**contents.facts, "calibration": str(calibration)})
    write_report(folder.report, contents)
    scores = {split: evaluation.scores for split, evaluation in evaluations.items()}
    write_json(
        folder.scores,
        {
            "best_step": state.progress.best_step,
            "steps": state.progress.step,
            "seconds": round(state.progress.seconds, 1),
            "scores": {split: one.as_json() for split, one in scores.items()},
        },
    )
    return Run(recognizer, scores, session.settings, folder.path, state.progress.seconds)


def with_scores(recognizer: Recognizer, scores: Scores) -> Recognizer:
    """The same recognizer with the `scores` that it has on validation pictures."""
    spec = recognizer.spec.model_copy(update={"scores": scores.as_json()})
    return Recognizer(recognizer.model, spec, str(recognizer.device))


def completed_run(folder: RunFolder) -> Run:
    """The finished run in `folder`."""
    metrics, seconds = _scores_of(folder)
    return Run(
        recognizer=load_recognizer(folder.recognizer),
        metrics=metrics,
        settings=Resolved.load(folder.config).settings,
        folder=folder.path,
        seconds=seconds,
    )


def _scores_of(folder: RunFolder) -> tuple[dict[str, Scores], float]:
    """Split -> scores, and the seconds of training; an `ArtefactError` for anything else."""
    saved = read_json(folder.scores)
    try:
        metrics = {split: Scores.from_json(one) for split, one in saved["scores"].items()}
        if "val" not in metrics:
            raise KeyError("val")
        return metrics, float(saved["seconds"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(
            f"{folder.scores} is damaged: {type(error).__name__}: {error}",
            expected="scores as manako train writes them",
            fix=f"remove it and resume: manako resume {folder.path} computes them again",
        ) from error


def save_predictions(path: Path, evaluation: Evaluation, data: OpenData, split: str) -> None:
    """Write what was predicted for the pictures of `split`, beside the truth, as CSV."""
    source = data.source(split)

    def rows() -> Iterator[Row]:
        with track("writing predictions", total=len(source), unit="pictures") as bar:
            pairs = zip(evaluation.names, evaluation.predictions, strict=True)
            for index, (name, prediction) in enumerate(pairs):
                yield name, source[index].target, prediction
                bar.advance()

    write_predictions(path, rows(), data.dataset.task, data.dataset.classes)


def describe(
    folder: RunFolder,
    resolved: Resolved,
    session: Session,
    state: TrainingState,
    evaluations: dict[str, Evaluation],
) -> ReportContents:
    """The report's contents."""
    settings, data = session.settings, session.data
    shown = "test" if "test" in evaluations else "val"
    parameters = sum(one.numel() for one in state.model.parameters())
    values = settings.model_dump(mode="json")
    counts, notes = _counted(data.dataset, settings.threads)
    return ReportContents(
        title=f"{folder.path.name}",
        task=settings.task,
        classes=session.facts.classes,
        facts={
            "data": data.dataset.described(),
            "model": f"{settings.model}, {parameters:,} parameters",
            **_seen(settings),
            "training": f"{state.progress.step:,} steps of {settings.batch} pictures in "
            f"{format_duration(state.progress.seconds)}",
            "kept": f"the network after step {state.progress.best_step:,}, the best on validation",
            "arithmetic": f"{settings.precision} on {settings.device}, {settings.threads} threads",
        },
        data={split: counts[split] for split in ("train", "val", "test") if split in data.sources},
        notes=(*data.dataset.notes, *notes),
        curves=Journal(folder.journal).rows(),
        scores={split: one.scores for split, one in evaluations.items()},
        pictures=worst_pictures(evaluations[shown], data, shown),
        config={
            name: (value_text(value), resolved.origins.get(name, "default"))
            for name, value in values.items()
        },
        environment=read_json(folder.environment),
    )


def _counted(
    dataset: Dataset, threads: int
) -> tuple[Mapping[str, Mapping[str, int]], tuple[str, ...]]:
    """Split -> class -> how many, and what is worth knowing of them."""
    if dataset.holds == "signals":
        counts = {split: dataset.class_counts(split) for split in dataset.splits}
        return counts, ("every signal was read, and no fault was found",)
    # What was found before the run is kept; only files that have changed are looked at again.
    report = checked(dataset, workers=0, threads=threads)
    return report.class_counts, findings(report)


def _seen(settings: Settings) -> dict[str, str]:
    """What the network sees, as a fact of the report."""
    form = settings.signal
    if form is None:
        return {"picture size": f"{format_size(settings.size_hw)} pixels (height x width)"}
    size = "x".join(map(str, form.size))
    rate = f", {form.rate_hz:g} values a second" if form.rate_hz else ""
    return {"signals": f"{form.kind}, {form.channels} channels, {size}{rate}"}
