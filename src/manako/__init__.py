"""manako (眼): from a folder of pictures to a recognizer its owner can trust."""

__version__ = "0.1.0"
