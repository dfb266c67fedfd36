"""The behaviours and faults of Teli, each as a short story: what is armed, what the caller does, who cleans up."""
