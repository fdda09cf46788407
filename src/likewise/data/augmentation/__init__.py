"""Augmentation of whole batches: the sections of a recipe, random numbers, and the steps."""
