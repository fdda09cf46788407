"""Monitoring of a run: logs, throughput, warnings, profiles."""
