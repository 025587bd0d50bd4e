"""A run from data to a finished folder: read, resolve, train, evaluate, report.

runs/<task>/<name>/
    config.yaml        the resolved settings, with the origin of each
    run.json           what the data were when the run began
    environment.json   versions and machine
    metrics.jsonl      losses and validation scores, row by row
    checkpoints/       the newest two and the best
    recognizer/        the product
    scores.json        written last: a run that has it is complete
    predictions.csv    what the recognizer says of the test (or validation) pictures
    report.html        all of it for people, in one file
"""

from manako.runs.folds import Folds, train_folds
from manako.runs.result import Run
from manako.runs.start import resume, train

__all__ = ["Folds", "Run", "resume", "train", "train_folds"]
