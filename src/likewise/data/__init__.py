"""From photos to batches: manifests, splits, pairs, decoding, augmentation, sampling."""
