"""The rows of the table of models, one file for each family."""
