"""What the softmax family shares: cosines, target logits, and one fused loss."""
