"""Begin a run, or go on with one that was stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from manako.config.settings import Asked, Resolved, Settings
from manako.console.messages import say, warn
from manako.data.dataset import Dataset
from manako.data.names import listed
from manako.data.opened import OpenData, open_sources, read_for_training
from manako.data.selection import Selection
from manako.data.signals.look import SignalLook, look_at_signals
from manako.errors import ArtefactError, Stopped
from manako.runs.choices import resolve, usable_cores, warn_of_doubtful
from manako.runs.doctor import checked_for_training
from manako.runs.finish import completed_run, finish
from manako.runs.folder import (
    RunFolder,
    claim_run_folder,
    describe_environment,
    existing_run_folder,
    read_json,
    refuse_begun,
    write_json,
)
from manako.runs.look import Look, look_at
from manako.runs.planning import prepare
from manako.runs.pretrained import refuse_unfit_weights
from manako.runs.result import Run
from manako.runs.session import Facts, Session
from manako.runs.signals import check_signals
from manako.storage import FolderLock, sweep_leftovers
from manako.training.distribution import is_first_process, joined_processes
from manako.training.loop import fit
from manako.training.precision import exact_arithmetic
from manako.training.signals import terminated_as_interrupted
from manako.training.state import TrainingState


def train(
    data: str | Path, model: str | None = None, *, out: str | Path | None = None, **asked: Any
) -> Run:
    """Train on `data` and give the finished run.

    `asked` are the fields of `manako.config.Asked`, such as `epochs=3`, `budget_seconds=600` or
    `size_hw=(64, 64)`; what is not asked is chosen, and `config.yaml` in the run's folder says why.
    """
    started = time.monotonic()
    wanted = Asked.of({**asked, "model": model})
    if out is not None:
        refuse_begun(Path(out))
    dataset = read_for_training(data, selection_of(wanted))
    if is_first_process():
        _check(dataset, wanted)
    resolved = resolve(wanted, dataset, _look(dataset), str(Path(data).resolve()))
    settings = resolved.settings
    refuse_unfit_weights(settings, dataset.classes)
    with exact_arithmetic(settings.threads), joined_processes(settings.device) as processes:
        # What was measured (the precision) may differ between processes; the first one's counts.
        resolved = processes.share(resolved)
        if processes.first:
            warn_of_doubtful(settings)
        sources = _open(dataset, settings)
        facts = Facts.measured(settings, sources)
        session = Session(resolved.settings, facts, sources, processes)
        resolved, session = prepare(wanted, resolved, session, started)
        folder = processes.by_first(lambda: _claim(out, session))
        return carry_out(folder, resolved, session, begin=True)


def resolve_settings(data: str | Path, model: str | None = None, **asked: Any) -> Resolved:
    """What `train` would do with the same arguments, without doing it.

    With a budget, the number of steps is a placeholder: it is measured when the run begins.
    """
    wanted = Asked.of({**asked, "model": model})
    dataset = read_for_training(data, selection_of(wanted))
    resolved = resolve(wanted, dataset, _look(dataset), str(Path(data).resolve()))
    refuse_unfit_weights(resolved.settings, dataset.classes)
    return resolved


def resume(run_folder: str | Path) -> Run:
    """Go on with the run in `run_folder` from its newest whole checkpoint.

    The finished run is the same to the last bit as if it had never stopped. A run that is complete
    is given back as it is.
    """
    folder = existing_run_folder(Path(run_folder))
    if folder.complete:
        say(f"{folder.path} is complete")
        return completed_run(folder)
    resolved = Resolved.load(folder.config)
    settings = resolved.settings
    _warn_of_another_machine(folder)
    facts = Facts.from_json(read_json(folder.facts))
    dataset = read_for_training(settings.data, selection_of(settings))
    if dataset.fingerprint() != facts.data_fingerprint:
        raise _changed(settings, facts)
    with exact_arithmetic(settings.threads), joined_processes(settings.device) as processes:
        sources = _open(dataset, settings)
        return carry_out(folder, resolved, Session(settings, facts, sources, processes))


def _check(dataset: Dataset, wanted: Asked) -> None:
    if dataset.holds == "signals":
        check_signals(dataset, wanted)
    else:
        threads = wanted.threads or usable_cores()
        checked_for_training(dataset, wanted.model_copy(update={"threads": threads}))


def _look(dataset: Dataset) -> Look | SignalLook:
    return look_at_signals(dataset) if dataset.holds == "signals" else look_at(dataset)


def _open(dataset: Dataset, settings: Settings) -> OpenData:
    form, threads = settings.signal, settings.threads
    return open_sources(dataset, settings.channels, workers=threads, form=form)


def _changed(settings: Settings, facts: Facts) -> ArtefactError:
    """The data have changed: the list of pictures to leave out, or else the pictures themselves."""
    now, then = selection_of(settings).excluded, frozenset(facts.excluded)
    if now != then:
        return ArtefactError(
            f"{settings.exclude} does not leave out what it did when the run began; it differs in "
            f"{listed(sorted(now ^ then), 3)}",
            expected=f"the same {len(then):,} paths",
            fix="bring the list back as it was, or train anew",
        )
    return ArtefactError(
        f"the data in {settings.data} are not those that the run began with",
        expected="the same pictures with the same labels",
        fix="bring them back as they were, or train anew",
    )


def selection_of(settings: Asked | Settings) -> Selection:
    """Which pictures the settings of a run mean, and how they are divided."""
    return Selection.parsed(
        settings.seed, settings.group_by, settings.fold, exclude=settings.exclude
    )


def _warn_of_another_machine(folder: RunFolder) -> None:
    """Say what may change the last bits of a run that goes on here."""
    then, now = read_json(folder.environment), describe_environment()
    for name in ("manako", "torch", "processor", "instructions"):
        if then.get(name) != now[name]:
            warn(f"the run began with {name} {then.get(name)}, not {now[name]}: bits may differ")


def _claim(out: str | Path | None, session: Session) -> RunFolder:
    settings = session.settings
    name = f"{Path(settings.data).name.split('.')[0]}-{settings.model}"
    return claim_run_folder(None if out is None else Path(out), settings.task, name)


def carry_out(
    folder: RunFolder, resolved: Resolved, session: Session, *, begin: bool = False
) -> Run:
    """Train from the newest checkpoint, or the start, to the end; then evaluate and report."""
    processes = session.processes
    if not processes.first:
        processes.share(None)  # until the first process holds the folder
        _train(folder, session)
        processes.share(None)  # until the first process has finished the run
        return completed_run(folder)
    with FolderLock(folder.path), terminated_as_interrupted():
        sweep_leftovers(folder.path)
        if begin:
            _begin(folder, resolved, session.facts)
        processes.share(None)
        say(f"run folder: {folder.path}")
        try:
            run = finish(folder, resolved, session, _train(folder, session))
        except Stopped as stopped:
            raise Stopped(stopped.what, fix=f"go on with: manako resume {folder.path}") from None
        except KeyboardInterrupt:
            if not any(folder.checkpoints.glob("step-*")):
                raise
            raise Stopped(
                "interrupted; what came after the newest checkpoint is lost",
                fix=f"go on with: manako resume {folder.path}",
            ) from None
    processes.share(None)
    return run


def _begin(folder: RunFolder, resolved: Resolved, facts: Facts) -> None:
    """Write what a run must find again, `run.json` last: with it a run has begun."""
    refuse_begun(folder.path)
    resolved.save(folder.config)
    write_json(folder.environment, describe_environment())
    write_json(folder.facts, facts.as_json())


def _train(folder: RunFolder, session: Session) -> TrainingState:
    parts = session.parts(folder)
    state = TrainingState(session.empty_model(), session.settings)
    found = parts.checkpoints.load_newest(state, session.processes)
    if found is None:
        state = TrainingState(session.new_model(announce=True), session.settings)
    if session.processes.first:
        parts.journal.rewind(state.progress.step)
        if found is not None:
            left_out = ", without a pre-flight" if session.settings.preflight else ""
            say(f"going on after step {state.progress.step} of {session.settings.steps}{left_out}")
    fit(parts, state)
    return state
