"""The pages on migration: every claim that can be run is run."""
