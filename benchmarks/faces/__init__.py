"""Benchmarks of finding, aligning and recognising faces."""
