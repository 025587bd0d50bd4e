"""Pure tensor functions: boxes, anchors, matching and suppression."""
