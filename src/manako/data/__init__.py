"""Files to samples to batches: the way of the data, one step in each module."""
