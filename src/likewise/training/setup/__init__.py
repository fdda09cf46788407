"""What happens before the first step: the folder, the photos, the network, the loss."""
