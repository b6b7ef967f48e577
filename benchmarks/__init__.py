"""Every figure in docs and notes comes from a command here; results lie in `benchmarks/results/`."""
