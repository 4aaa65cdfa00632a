"""What a measured spectrum states: ends of its pressure's error, resolution."""

import io
import itertools

import numpy as np
import pytest
from aiida.orm import Dict, SinglefileData
from fake_nodes import code, potential, structure
from ins_crystals import save_crystal
from spring_nodes import spring_node, spring_phonons

from aiida_insbench.calculations.measured import import_spectrum
from aiida_insbench.calculations.scores import target_of
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.resolution import published_resolution
from aiida_insbench.science.scoring.quantile_interpolation import QuantileInterpolation
from aiida_insbench.science.scoring.spectra import Simulation
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.benchmark_targets import groups_of

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]


def measured(pressure, error=0.0, **stated):
    rows = '\n'.join(f'{energy} {10 + energy % 70} 1' for energy in range(30, 1000, 4))
    settings = {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': pressure, 'pressure_error': error,
        'sample': 'MgH2', 'unit': 'cm-1', 'counts_per_bin': False, **stated,
    }  # fmt: skip
    content = SinglefileData(io.BytesIO(f'# X (cm-1) , Y , E\n{rows}'.encode()), 'a.dat')
    return import_spectrum(content, Dict(settings))


def builder_of(pressures, spectra, **options):
    return BenchmarkWorkChain.get_builder_from_protocol(
        code().store(),
        {'one': potential().store()},
        structure(),
        pressures,
        measured={f's{number}': one for number, one in enumerate(spectra)},
        protocol='fast',
        **options,
    )


@pytest.mark.parametrize(
    ('pressures', 'stated', 'expected'),
    [
        ([0.0, 2.0], [(1.0, 0.2)], [0.8, 1.2]),
        ([0.0, 1.0], [(1.0, 0.2)], [0.8, 1.2]),
        ([0.0, 0.8], [(0.0, 0.0), (0.5, 0.3)], [0.2]),
        ([0.0, 0.8], [(1.0, 0.2)], []),
    ],
)
def test_ends_of_errors_are_beside_the_pressures(pressures, stated, expected):
    builder = builder_of(pressures, list(itertools.starmap(measured, stated)))
    assert builder.pressures.get_list() == pressures
    found = builder.error_pressures.get_list() if 'error_pressures' in builder else []
    assert found == pytest.approx(expected)


def test_vibrations_that_are_given_are_all_there_is():
    constants = {f'p_{step}000': spring_node(step).store() for step in (0, 2)}
    builder = builder_of([0.0, 2.0], [measured(1.0, 0.2)], force_constants={'one': constants})
    assert builder.pressures.get_list() == [0.0, 2.0]
    assert 'error_pressures' not in builder


def test_between_near_pressures_a_spectrum_is_nearly_right(tmp_path):
    """Bands of this crystal move by 70 cm⁻¹/GPa on average, far more than real ones."""

    def simulated(step):
        phonon = spring_phonons(step)
        found = powder_spectrum(
            read_modes(save_crystal(phonon, tmp_path / f'{step}.yaml'), mesh=(3, 3, 4)),
            instrument=get_instrument('TOSCA'),
            temperature=10.0,
            energy_range=(0.0, 1700.0),
            bin_width=2.0,
            options=PowderOptions(max_order=4),
        ).spectrum
        return Simulation(found.energy_transfer, found.total)

    def apart(one, other):
        """First Wasserstein distance of spectra of the same area, cm⁻¹."""
        running = [np.cumsum(x.intensity) / x.intensity.sum() for x in (one, other)]
        return 2.0 * np.abs(running[0] - running[1]).sum()

    truth = {pressure: simulated(pressure) for pressure in (0.0, 0.8, 0.9, 1.0)}

    def error(*ends):
        between = QuantileInterpolation(np.array(ends), [truth[end] for end in ends])
        return apart(between(0.9), truth[0.9])

    moved = apart(truth[0.8], truth[1.0])
    assert moved > 10
    assert error(0.8, 1.0) < 0.1 * moved
    assert error(0.8, 1.0) < 0.6 * error(0.0, 1.0)


def refusal(builder):
    return str(BenchmarkWorkChain.spec().inputs.validate(builder._inputs(prune=True)) or '')


def test_a_resolution_nobody_knows_must_be_stated():
    unknown = measured(0.0, instrument='TFXA')
    said = refusal(builder_of([0.0], [unknown]))
    assert 'no resolution is known for TFXA. Import it with `--resolution`' in said
    stated = measured(0.0, instrument='TFXA', resolution=[2.5, 0.0085])
    assert 'resolution' not in refusal(builder_of([0.0], [stated]))
    own = {'broadening': {'resolution': [5.0]}}
    assert 'resolution' not in refusal(builder_of([0.0], [unknown], overrides=own))


def test_a_stated_resolution_is_that_of_its_simulations_and_of_its_peaks():
    given = {'a': measured(0.0), 'b': measured(0.0, resolution=[6.0, 0.01])}
    groups = {group.members: group for group in groups_of(given, reference={})}
    assert groups['a',].resolution == ()
    assert groups['b',].resolution == (6.0, 0.01)
    assert 'resolution' not in groups['b',].parameters
    data = target_of(given['b']).data
    assert data.resolution == pytest.approx(6.0 + 0.01 * data.energies)
    tosca = published_resolution(get_instrument('TOSCA'), energy_transfer=data.energies)
    assert target_of(given['a']).data.resolution == pytest.approx(tosca)
    nowhere = target_of(measured(0.0, instrument='TFXA'))
    assert nowhere.data.resolution is None
