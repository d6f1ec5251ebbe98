"""A trainer whose rows are never made dense, and whose penalty is learnt on a part of them."""

import sys

from swarmhub.cli import main
from swarmhub.data import design
from swarmhub.recipes import sampling

design.MAX_DENSE = 0
sampling.MIN_ROWS = sampling.MAX_CELLS = 300
sys.exit(main())
