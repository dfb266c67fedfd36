"""What is measured: always as ratios within one run, on engines that write to the disk as in production."""
