"""Benchmarks of very many classes: time, memory, and a simulation of 29 million."""
