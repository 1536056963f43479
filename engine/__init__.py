"""What the scripts do: train, evaluate, detect, convert."""
