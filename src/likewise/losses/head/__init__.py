"""The shared head of the softmax family: cosines, target logits, and one fused loss."""
