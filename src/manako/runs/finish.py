"""The end of a run: the recognizer, its scores, its predictions and its report."""

from __future__ import annotations

from pathlib import Path

from manako.config import format_duration, format_size
from manako.config.settings import Resolved
from manako.data.opened import OpenData
from manako.recognizer import Evaluation, evaluate_split, load_recognizer
from manako.reports.contents import Picture, ReportContents
from manako.reports.page import write_report
from manako.reports.predictions_csv import write_predictions
from manako.runs.folder import RunFolder, read_json, write_json
from manako.runs.result import Run
from manako.runs.session import Session
from manako.structures import Scores
from manako.training.checkpoints import Checkpoints
from manako.training.journal import Journal
from manako.training.state import TrainingState

_SHOWN_PICTURES = 24


def finish(folder: RunFolder, resolved: Resolved, session: Session, state: TrainingState) -> Run:
    """Score the best network, then write recognizer, predictions, report and, last, the scores.

    Whatever is there already from an attempt that was killed is written anew.
    """
    model = session.empty_model()
    model.load_state_dict(Checkpoints(folder.checkpoints).load_best(), strict=True)
    evaluations = {"val": evaluate_split(session.recognizer(model), session.data, "val")}
    recognizer = session.recognizer(model, evaluations["val"].scores)
    recognizer.save(folder.recognizer)
    if "test" in session.data.sources:
        evaluations["test"] = evaluate_split(recognizer, session.data, "test")
    shown = "test" if "test" in evaluations else "val"
    save_predictions(folder.predictions, evaluations[shown], session.data, shown)
    contents = describe(folder, resolved, session, state, evaluations)
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


def completed_run(folder: RunFolder) -> Run:
    """The finished run in `folder`."""
    saved = read_json(folder.scores)
    return Run(
        recognizer=load_recognizer(folder.recognizer),
        metrics={split: Scores.from_json(one) for split, one in saved["scores"].items()},
        settings=Resolved.load(folder.config).settings,
        folder=folder.path,
        seconds=saved["seconds"],
    )


def save_predictions(path: Path, evaluation: Evaluation, data: OpenData, split: str) -> None:
    """Write what was predicted for the pictures of `split`, beside the truth, as CSV."""
    source = data.source(split)
    rows = (
        (name, source[index].target, prediction)
        for index, (name, prediction) in enumerate(
            zip(evaluation.names, evaluation.predictions, strict=True)
        )
    )
    write_predictions(path, rows, data.dataset.task, data.dataset.classes)


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
    return ReportContents(
        title=f"{folder.path.name}",
        task=settings.task,
        classes=session.facts.classes,
        facts={
            "data": data.dataset.described(),
            "model": f"{settings.model}, {parameters:,} parameters",
            "picture size": f"{format_size(settings.size_hw)} pixels (height x width)",
            "training": f"{state.progress.step:,} steps of {settings.batch} pictures in "
            f"{format_duration(state.progress.seconds)}",
            "kept": f"the network after step {state.progress.best_step:,}, the best on validation",
            "arithmetic": f"{settings.precision} on {settings.device}, {settings.threads} threads",
        },
        data={
            split: data.dataset.class_counts(split)
            for split in ("train", "val", "test")
            if split in data.sources
        },
        notes=data.dataset.notes,
        curves=Journal(folder.journal).rows(),
        scores={split: one.scores for split, one in evaluations.items()},
        pictures=worst_pictures(evaluations[shown], data, shown),
        config={
            name: (str(value), resolved.origins.get(name, "default"))
            for name, value in values.items()
        },
        environment=read_json(folder.environment),
    )


def worst_pictures(evaluation: Evaluation, data: OpenData, split: str) -> list[Picture]:
    """The pictures with the largest errors, worst first."""
    source = data.source(split)
    return [
        Picture(
            image=source[index].image,
            name=evaluation.names[index],
            truth=source[index].target,
            prediction=evaluation.predictions[index],
            error=evaluation.errors[index],
        )
        for index in evaluation.worst(_SHOWN_PICTURES)
    ]
