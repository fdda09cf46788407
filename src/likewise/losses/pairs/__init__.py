"""Losses on pairs, triplets and proxies, one per file."""
