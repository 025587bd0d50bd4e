"""The definitions in plain NumPy, written to be read: the formula is the code.

Arrays are ordinary NumPy arrays, batches of maps [B, C, *size] with one, two or three dimensions of
size. Nothing here needs PyTorch; everything is checked against it.

    geometry      sizes of what windows give: floor, padding, stride, dilation
    windows       im2col and col2im
    convolution   convolution and transposed convolution, forward and backward
    pooling       the same of max and average pooling
    layers        affine, ReLU, sigmoid, norms, dropout: each with forward and backward
    losses        softmax with cross-entropy, entropy, divergence, norms of weights
    optimizers    SGD, momentum, Adam
    networks      SimpleConvNet
    overlap       IoU and greedy non-maximum suppression
    ranking       precision and recall, average precision, ROC-AUC
    gradients     gradients by finite differences, to check all of them
"""
