"""Chains from labelled frames to spectra, as the engine would leave them."""

import numpy as np
from aiida.orm import Dict
from aiida_quantumespresso.calculations.pw import PwCalculation
from fake_nodes import dataset, force_constants, job, potential, structure

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.data import SpectrumData

RAW = 'S(Q(w),w) times cross-section, without resolution'


class Chain:
    """Makes potentials and spectra; each potential has weights of its own."""

    def __init__(self):
        self.made = 0

    def frames(self, *, up_to=0.0):
        """Labelled frames at 0 GPa, or at 0 and 1 GPa."""
        self.made += 1
        return dataset(2 if up_to else 1, prefix=f'f{self.made}')

    def imported(self, label=''):
        """A potential that nothing made."""
        self.made += 1
        node = potential(scale=self.made)
        node.label = label
        return node

    def trained(self, data, *, label='', **inputs):
        """A potential and the training that made it; datasets and `start` are inputs."""
        node = self.imported(label)
        job(TrainCalculation, inputs={'dataset': data, **inputs}, outputs={'potential': node})
        return node

    def constants(self, made_by, *, crystal=None):
        """Force constants of a potential."""
        self.made += 1
        node = force_constants(seed=self.made)
        inputs = {'potential': made_by, 'structure': crystal or structure()}
        job(PhononsCalculation, inputs=inputs, outputs={'force_constants__p_1000': node})
        return node

    def spectrum(self, constants, *, pressure=1.0):
        """A spectrum with resolution, over contributions without."""
        contributions = spectrum(pressure, quantity=RAW)
        job(
            InsCalculation,
            inputs={'force_constants': {'p_1000': constants}},
            outputs={'contributions__p_1000': contributions},
        )
        return self.derived(contributions, pressure=pressure)

    def derived(self, source, *, pressure=1.0):
        """A spectrum made of another: broadened, or on other bins."""
        node = spectrum(pressure)
        job(InsCalculation, inputs={'spectrum': source}, outputs={'result': node})
        return node


def spectrum(pressure, **attributes):
    """A spectrum, not stored."""
    return SpectrumData(
        energy_transfer=np.arange(3.0),
        total=np.ones(3),
        **{'instrument': 'TOSCA', 'sample': 'MgH2', 'pressure': pressure, **attributes},
    )


def pw_run(seconds=3600.0, *, caller=None, inputs=None, outputs=None, ranks=1, threads=1):
    """A pw.x run of 3600 s and its parameters; without `seconds` it left none."""
    results = None if seconds is None else Dict({'energy': -5.0, 'wall_time_seconds': seconds})
    made = {**(outputs or {}), **({'output_parameters': results} if results else {})}
    node = job(
        PwCalculation,
        inputs={
            'structure': structure(),
            'parameters': Dict({'CONTROL': {'calculation': 'scf'}}),
            **(inputs or {}),
        },
        outputs=made,
        caller=caller,
        options={
            'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': ranks},
            'environment_variables': {'OMP_NUM_THREADS': str(threads)},
        },
    )
    return node, results
