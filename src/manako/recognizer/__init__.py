"""A trained model with its labels and its preprocessing: save, load, predict, evaluate."""

from manako.recognizer.calibration import Calibration, evaluate_and_calibrate
from manako.recognizer.evaluation import (
    EVALUATION_BATCH,
    DataEvaluation,
    Evaluation,
    evaluate,
    evaluate_data,
    evaluate_split,
)
from manako.recognizer.recognizer import Recognizer, load_recognizer
from manako.recognizer.spec import RecognizerSpec

__all__ = [
    "EVALUATION_BATCH",
    "Calibration",
    "DataEvaluation",
    "Evaluation",
    "Recognizer",
    "RecognizerSpec",
    "evaluate",
    "evaluate_and_calibrate",
    "evaluate_data",
    "evaluate_split",
    "load_recognizer",
]
