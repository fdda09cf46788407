"""Video: faces followed through the frames, and one decision a track."""
