"""What needs the whole house: the demo and its baselines."""
