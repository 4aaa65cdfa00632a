"""``python -m aiida_insbench.cli`` is ``aiida-insbench``."""

from aiida_insbench.cli import cmd_root

cmd_root(prog_name='aiida-insbench')
