"""Training on several ranks: the process group, data parallelism, the launcher."""
