"""``python -m aiida_insbench.jobs`` is ``insbench-job``."""

import sys

from aiida_insbench.jobs.program import main

sys.exit(main())
