"""Signals and volumes: what is no picture, from bytes to float32 [C, *size].

wav       sound: one channel or more, and how many values a second
series    tables of numbers (.csv, .tsv), a column for each channel; arrays (.npy)
ts        many series in one file, as the UEA archive has them
volumes   .nii and .nii.gz
mel       the log-mel spectrogram of a sound
"""
