"""What manako chooses where the caller leaves it open: recipes by model, as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from manako.config.settings import Optimizer, ScheduleName
from manako.errors import UnknownName


@dataclass(frozen=True)
class Recipe:
    """Settings that suit a family of networks when it is trained from scratch.

    `lr` is for `batch` pictures; another batch scales it in proportion for SGD (Goyal et al. 2017)
    and by the square root for AdamW.
    """

    batch: int
    epochs: float
    optimizer: Optimizer
    lr: float
    weight_decay: float
    schedule: ScheduleName
    warmup: float = 0.0  # share of the steps
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    average_decay: float = 0.0
    momentum: float = 0.9
    bias_lr_factor: float = 1.0

    is_general: bool = False  # settings usual for the optimizer, not those of the family

    def with_optimizer(self, asked: Optimizer | None) -> Recipe:
        """This recipe, or the usual settings of the optimizer that is `asked` instead of its own.

        Rates and decays of one optimizer mean nothing to another.
        """
        if asked is None or asked == self.optimizer:
            return self
        lr, weight_decay = _USUAL[asked]
        other = replace(
            self,
            optimizer=asked,
            weight_decay=weight_decay,
            momentum=0.9,
            bias_lr_factor=1.0,
            is_general=True,
        )
        ratio = self.batch / _USUAL_BATCH
        return replace(other, lr=lr * (ratio if asked == "sgd" else ratio**0.5))

    def lr_for(self, batch: int) -> float:
        """The learning rate for batches of `batch` pictures."""
        ratio = batch / self.batch
        return self.lr * (ratio if self.optimizer == "sgd" else ratio**0.5)


_USUAL: dict[Optimizer, tuple[float, float]] = {"sgd": (0.05, 5e-4), "adamw": (1e-3, 1e-2)}
"""Learning rate for batches of `_USUAL_BATCH`, and weight decay."""
_USUAL_BATCH = 64

RECIPES: dict[str, Recipe] = {
    # Jordan 2024, section 3.3: what its norms add learns 64 times as fast.
    "quick32": Recipe(
        *(256, 10, "sgd", 0.5, 1e-3, "onecycle"),
        label_smoothing=0.2,
        momentum=0.85,
        bias_lr_factor=64.0,
    ),
    "lenet5": Recipe(64, 20, "sgd", 0.05, 5e-4, "onecycle"),
    # Squared distances have steep gradients: without the limit it diverges at this rate.
    "lenet5_paper": Recipe(64, 20, "sgd", 0.05, 5e-4, "onecycle", clip_norm=2.0),
    # Deep and, but for some VGGs, without norms: at the papers' rate (SGD, 0.01) they stand still
    # for a hundred steps and more, epochs of a small data set; AdamW leaves that plateau sooner.
    "alexnet": Recipe(64, 30, "adamw", 3e-4, 1e-2, "cosine", warmup=0.05, clip_norm=5.0),
    "vgg": Recipe(64, 30, "adamw", 3e-4, 1e-2, "cosine", warmup=0.05, clip_norm=5.0),
    # Springenberg et al. 2015, section 3: one of its rates and its decay, with a cosine.
    "all_cnn": Recipe(128, 30, "sgd", 0.05, 1e-3, "cosine", warmup=0.05, clip_norm=5.0),
    "googlenet": Recipe(64, 30, "sgd", 0.05, 5e-4, "cosine", warmup=0.05, label_smoothing=0.1),
    # Without norms: rate, decay and batch of BVLC's quick_solver.prototxt.
    "googlenet_paper": Recipe(32, 60, "sgd", 0.01, 2e-4, "cosine", warmup=0.05, clip_norm=5.0),
    "resnet": Recipe(64, 30, "sgd", 0.05, 5e-4, "cosine", warmup=0.05, label_smoothing=0.1),
    # He et al. 2016, section 4.2, with a cosine in place of the steps.
    "resnet_cifar": Recipe(128, 30, "sgd", 0.1, 5e-4, "cosine", warmup=0.05),
    # He et al. 2016, "Identity Mappings", appendix, with a cosine in place of the steps.
    "preact_resnet": Recipe(128, 30, "sgd", 0.1, 1e-4, "cosine", warmup=0.05),
    # Huang et al. 2017, section 4.2, with a cosine in place of the steps.
    "densenet": Recipe(64, 30, "sgd", 0.1, 1e-4, "cosine", warmup=0.05),
    # The weight decay of the authors' code (slim), so little for the sake of the depthwise filters
    # (Howard et al. 2017, section 3.2); SGD in place of its RMSprop.
    "mobilenet": Recipe(64, 30, "sgd", 0.05, 4e-5, "cosine", warmup=0.05, label_smoothing=0.1),
    # SGD in place of the authors' RMSprop, with the rate and decay of torchvision's recipe for
    # EfficientNetV2, which is 0.5 for batches of 1024.
    "efficientnet": Recipe(64, 30, "sgd", 0.03, 2e-5, "cosine", warmup=0.05, label_smoothing=0.1),
    # Liu et al. 2022, appendix A.1, and Yu et al. 2022, section 4.1: 4e-3 for 4096 pictures, with
    # 20 and 5 of 300 epochs of warmup.
    "convnext": Recipe(*(64, 30, "adamw", 5e-4, 0.05, "cosine"), warmup=0.067, label_smoothing=0.1),
    "metaformer": Recipe(
        *(64, 30, "adamw", 5e-4, 0.05, "cosine"), warmup=0.017, label_smoothing=0.1
    ),
    # Touvron et al. 2021, table 9 (1e-3 for 1,024 pictures), in fewer epochs; the limit of the
    # gradients is that of Dosovitskiy et al. 2021 (appendix B.1).
    "vit": Recipe(
        *(128, 60, "adamw", 3.5e-4, 0.05, "cosine"),
        warmup=0.05,
        label_smoothing=0.1,
        clip_norm=1.0,
    ),
    # The code of Lee et al. 2021 (https://arxiv.org/abs/2112.13492), who train on CIFAR from
    # scratch; the limit to gradients is of Liu et al. 2021, appendix A2.1.
    "swin": Recipe(
        *(128, 100, "adamw", 1e-3, 0.05, "cosine"),
        warmup=0.1,
        label_smoothing=0.1,
        clip_norm=1.0,
    ),
    "ssd": Recipe(
        16, 60, "adamw", 1e-3, 1e-2, "cosine", warmup=0.05, clip_norm=5.0, average_decay=0.99
    ),
    "unet": Recipe(
        8, 40, "adamw", 2e-3, 1e-2, "cosine", warmup=0.05, clip_norm=5.0, average_decay=0.99
    ),
}

_FAMILIES = {  # recipe -> the names of the models that it is for, the first match counts
    "quick32": r"quick32",
    "lenet5": r"lenet5",
    "lenet5_paper": r"lenet5_paper",
    "alexnet": r"alexnet.*|spp_.*",
    "vgg": r"vgg.*",
    "all_cnn": r"all_cnn.*",
    "googlenet": r"googlenet",
    "googlenet_paper": r"googlenet_paper",
    "resnet_cifar": r"resnet(20|32|44|56|110)|wrn_.*",
    "resnet": r"(wide_)?resnet.*",
    "preact_resnet": r"preact_resnet.*",
    "densenet": r"densenet.*",
    "mobilenet": r"mobilenet.*",
    "efficientnet": r"efficientnet.*",
    "convnext": r"convnext_.*",
    "metaformer": r"(pool|meta)former_.*",
    "vit": r"vit_.*",
    "swin": r"swin_.*",
    "ssd": r"ssd_.*",
    "unet": r"unet.*",
}


def recipe_for(model: str) -> Recipe:
    """The recipe of the family that `model` belongs to."""
    for family, pattern in _FAMILIES.items():
        if re.fullmatch(pattern, model):
            return RECIPES[family]
    raise UnknownName("recipe for the model", model, RECIPES)


def default_model(task: str, size_hw: tuple[int, int]) -> tuple[str, str]:
    """A model for pictures of `size_hw` pixels, and why."""
    if task == "detection":
        return "ssd_resnet18", "the fastest detector here"
    if task == "segmentation":
        return "unet_bn", "the fastest segmentation network here"
    if max(size_hw) <= 48:
        return "quick32", f"the pictures are small ({size_hw[0]}x{size_hw[1]})"
    return "resnet18", f"the pictures are {size_hw[0]}x{size_hw[1]}"


def default_size(task: str, model: str, size_hw: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The input size for pictures of `size_hw`: what two CPU cores train in bearable time.

    Small pictures keep their size; larger ones are brought to a long side of 320 pixels for
    detection, 256 for segmentation and a square of 128 for classification.
    """
    if task == "classification":
        if model == "quick32":
            return (32, 32) if max(size_hw) <= 32 else (48, 48)
        side = 32 if max(size_hw) <= 32 else 64 if max(size_hw) <= 64 else 128
        return _nearest(side, multiple), _nearest(side, multiple)
    long_side = 320 if task == "detection" else 256
    scale = min(1.0, long_side / max(size_hw))
    height, width = (_nearest(side * scale, multiple) for side in size_hw)
    return height, width


def _nearest(side: float, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
