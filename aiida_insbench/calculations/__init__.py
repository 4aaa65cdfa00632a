"""CalcJobs: one per stage of ``insbench-job``."""
