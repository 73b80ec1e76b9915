"""`python -m vis_bench`."""

from vis_bench.cli import main

main()
