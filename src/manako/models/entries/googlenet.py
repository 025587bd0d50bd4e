"""GoogLeNet."""

from __future__ import annotations

from manako.models.backbones.googlenet import googlenet, googlenet_paper
from manako.models.entry import Entry, Paper, imagenet

GOOGLENET = Paper("Going Deeper with Convolutions", 2014, "1409.4842")

ENTRIES: dict[str, Entry] = {
    # With both auxiliary heads; without them 6,624,904 and 6,998,552.
    "googlenet": imagenet(
        googlenet, GOOGLENET, 13_004_888, "torchvision.models.googlenet", "torchvision"
    ),
    "googlenet_paper": imagenet(
        googlenet_paper,
        GOOGLENET,
        13_378_280,
        "the paper, table 1 and figure 3, and BVLC/caffe bvlc_googlenet",
    ),
}
