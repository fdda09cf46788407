"""The demo: people recognised by a network trained here, and by one that needs no training."""
