"""(predictions, targets) -> numbers, each with the interval in which it can be believed."""
