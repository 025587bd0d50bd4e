"""A trained model with its labels and its preprocessing: save, load, predict, evaluate."""

from manako.recognizer.evaluation import Evaluation, evaluate
from manako.recognizer.folder import load_recognizer, save_recognizer
from manako.recognizer.recognizer import Recognizer
from manako.recognizer.spec import RecognizerSpec

__all__ = [
    "Evaluation",
    "Recognizer",
    "RecognizerSpec",
    "evaluate",
    "load_recognizer",
    "save_recognizer",
]
