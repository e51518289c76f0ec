"""What looks at samples: pretrained networks, small classifiers, raw values."""
