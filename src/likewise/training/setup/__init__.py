"""Setup of a run before its first step: the folder, the photos, the network, the loss."""
