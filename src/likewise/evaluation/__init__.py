"""Evaluation of embeddings: verification, identification, retrieval, clustering, calibration."""
