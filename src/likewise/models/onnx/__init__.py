"""ONNX files: read with their external data, and run by ONNX Runtime."""
