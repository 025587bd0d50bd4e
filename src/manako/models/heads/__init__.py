"""The last layers of detectors: feature maps in, raw output out."""
