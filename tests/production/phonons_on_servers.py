"""The job of `micro_phonons.py` in a profile that is there: submitted, or what came of it.

    python phonons_on_servers.py submit COMPUTER
    python phonons_on_servers.py outcome PK

Prints the pk, or one line of JSON.
"""

import json
import sys
from pathlib import Path

from aiida import load_profile
from aiida.orm import load_code, load_node

sys.path.insert(0, str(Path(__file__).resolve().parent))

from micro_phonons import outcome, say, submitted

load_profile()
action, word = sys.argv[1:]
if action == 'submit':
    say(submitted(load_code(f'insbench-job@{word}')).pk)
else:
    node = load_node(int(word))
    say(json.dumps(outcome(node) | {'state': node.process_state.value}))
