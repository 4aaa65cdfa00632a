"""The program that runs on the compute node: ``insbench-job STAGE job.json``; needs no AiiDA."""
