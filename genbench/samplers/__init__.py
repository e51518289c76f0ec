"""Make samplers from functions, torch modules, TorchScript and ONNX files, and programs."""
