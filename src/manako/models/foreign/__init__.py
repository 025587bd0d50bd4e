"""One file for each library whose weights can be read."""
