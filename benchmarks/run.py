"""Both benchmarks in one go: what serving costs next to iipsrv and to a bare handler, and seeding next to dzsave.

Run ``python benchmarks/run.py``; ``--short`` only sees that it works. The last table is in docs/performance.md.
"""

import sys

import seeding
import serving

if __name__ == "__main__":
    serving.main(sys.argv[1:])
    seeding.main(sys.argv[1:])
