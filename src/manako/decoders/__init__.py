"""From raw output to predictions about the original picture: (raw, frames) -> predictions.

Decoders hand back records on the CPU, whatever device the network works on.
"""
