"""Networks that turn pictures into feature maps of several strides."""
