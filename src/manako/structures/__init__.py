"""Frozen records that check their own shapes and travel from step to step."""

from manako.structures.frame import Frame
from manako.structures.predictions import (
    ClassPrediction,
    Detections,
    LabelMap,
    LabelsPrediction,
    Prediction,
)
from manako.structures.raw import AnchorRaw, ClassRaw
from manako.structures.sample import Batch, Sample, boxes_inside
from manako.structures.scores import ReliabilityBin, Score, Scores
from manako.structures.targets import (
    IGNORE,
    BoxTargets,
    ClassTarget,
    LabelsTarget,
    MaskTarget,
    MixedTarget,
    Target,
)

__all__ = [
    "IGNORE",
    "AnchorRaw",
    "Batch",
    "BoxTargets",
    "ClassPrediction",
    "ClassRaw",
    "ClassTarget",
    "Detections",
    "Frame",
    "LabelMap",
    "LabelsPrediction",
    "LabelsTarget",
    "MaskTarget",
    "MixedTarget",
    "Prediction",
    "ReliabilityBin",
    "Sample",
    "Score",
    "Scores",
    "Target",
    "boxes_inside",
]
