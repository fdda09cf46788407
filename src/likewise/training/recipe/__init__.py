"""The recipe: the settings of a training run, their file and their checks."""
