"""From photos to decisions: faces, embeddings, and who is who."""
