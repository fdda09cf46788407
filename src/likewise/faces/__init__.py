"""From a photo to its faces: detection, landmarks, alignment and quality."""
