"""``python -m benchmarks`` measures what the project promises; see ``benchmarks/bench.py``."""

import sys

from benchmarks.bench import main

sys.exit(main(sys.argv[1:]))
