"""Networks in ONNX files, run by torch: on a GPU, and with gradients."""
