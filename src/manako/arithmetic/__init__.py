"""What a network costs, layer by layer, found without computing anything.

>>> cost = arithmetic("resnet18")
>>> cost.params, cost.macs
(11689512, 1814073344)
>>> first = cost.layers[0]
>>> first.name, first.output, first.stride, first.receptive_field
('backbone.conv1', (64, 112, 112), 2, 7)
"""

from manako.arithmetic.counting import arithmetic
from manako.arithmetic.figures import Arithmetic, Layer

__all__ = ["Arithmetic", "Layer", "arithmetic"]
