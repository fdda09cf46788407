"""Networks as graphs of operators, from ONNX files and captured by torch.export, run by torch."""
