"""A trained model with its labels and its preprocessing: save, load, predict, evaluate."""

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
    "DataEvaluation",
    "Evaluation",
    "Recognizer",
    "RecognizerSpec",
    "evaluate",
    "evaluate_data",
    "evaluate_split",
    "load_recognizer",
]
