"""The table of all models, in the order in which they are listed."""

from __future__ import annotations

from manako.models.entries import (
    alexnet,
    convnext,
    densenet,
    googlenet,
    lenet,
    mobile,
    resnet,
    ssd,
    swin,
    unet,
    vit,
)
from manako.models.entry import Entry

MODELS: dict[str, Entry] = {
    **lenet.ENTRIES,
    **alexnet.ENTRIES,
    **googlenet.ENTRIES,
    **resnet.ENTRIES,
    **densenet.ENTRIES,
    **mobile.ENTRIES,
    **convnext.ENTRIES,
    **vit.ENTRIES,
    **swin.ENTRIES,
    **ssd.ENTRIES,
    **unet.ENTRIES,
}
