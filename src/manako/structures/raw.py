"""What `forward` of a network returns, in training and evaluation alike, where it is no tensor.

Of each record `learned` are the tensors that the network computed.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from manako.errors import ShapeError


@dataclass(frozen=True)
class ClassRaw:
    """The raw output of a classifier. B pictures, K classes.

    `logits` [B, K] are the answer. `auxiliary` are logits of the same shape from classifiers on
    inner layers, from the input on, that learn with it and have no say in the answer; there are
    none in evaluation.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        for one in self.auxiliary:
            if one.shape != self.logits.shape:
                raise ShapeError(
                    f"auxiliary logits must have shape {tuple(self.logits.shape)}, "
                    f"not {tuple(one.shape)}"
                )

    @classmethod
    def of(cls, raw: Tensor | ClassRaw) -> ClassRaw:
        """The raw output of any classifier: most give their logits as they are.

        >>> import torch
        >>> ClassRaw.of(torch.zeros(1, 2))
        ClassRaw(logits=tensor([[0., 0.]]), auxiliary=())
        """
        return raw if isinstance(raw, ClassRaw) else cls(raw)

    @property
    def learned(self) -> tuple[Tensor, ...]:
        """The logits, then the auxiliary ones."""
        return (self.logits, *self.auxiliary)


@dataclass(frozen=True)
class AnchorRaw:
    """The raw output of an anchor-based detector. B pictures, A anchors, K classes.

    `class_logits` [B, A, K + 1], column 0 is the background; `offsets` [B, A, 4] are encoded
    boxes relative to `anchors_xyxy` [A, 4], which are in pixels of the network's input.
    """

    class_logits: Tensor
    offsets: Tensor
    anchors_xyxy: Tensor

    def __post_init__(self) -> None:
        pictures, anchors = self.class_logits.shape[:2]
        if self.offsets.shape != (pictures, anchors, 4):
            raise ShapeError(
                f"offsets must have shape ({pictures}, {anchors}, 4), "
                f"not {tuple(self.offsets.shape)}"
            )
        if self.anchors_xyxy.shape != (anchors, 4):
            raise ShapeError(
                f"anchors_xyxy must have shape ({anchors}, 4), not {tuple(self.anchors_xyxy.shape)}"
            )

    @property
    def learned(self) -> tuple[Tensor, ...]:
        """The class logits and the offsets."""
        return (self.class_logits, self.offsets)
