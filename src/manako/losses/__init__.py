"""What a network is trained to make small: (raw output, targets) -> {name: scalar}.

Every loss is computed in float32 (float64 stays float64), whatever type the network worked in.
"""
