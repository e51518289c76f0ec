"""What a guest hands over, made a Sampler: a function, a torch module, a TorchScript or ONNX file, a program."""
