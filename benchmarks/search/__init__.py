"""Benchmarks of search: overhead, the tuner, and grids of every index family."""
