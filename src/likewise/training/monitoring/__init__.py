"""What a run tells of itself: logs, throughput, warnings, profiles."""
