"""Losses made of losses: sums, batches of all processes, a memory of earlier batches."""
