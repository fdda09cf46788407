"""One training step: gradients, guards, optimizers, schedules, EMA, memory savings."""
