"""Losses around other losses: over the batch of all ranks, and with a memory of batches."""
