"""What counts as a failure at a pressure, and which targets need which simulations."""

from types import SimpleNamespace

import numpy as np
import pytest
from aiida.orm import Dict

from aiida_insbench.calculations.measured import measured_node
from aiida_insbench.science.measured.conditions import check_conditions
from aiida_insbench.science.measured.spectrum import MeasuredSpectrum
from aiida_insbench.workflows.benchmark_committees import in_analysis
from aiida_insbench.workflows.benchmark_differences import difference_pairs
from aiida_insbench.workflows.benchmark_failures import (
    failures_of_dynamics,
    failures_of_modes,
    failures_of_phonons,
    failures_of_spectra,
)
from aiida_insbench.workflows.benchmark_ports import validate_benchmark
from aiida_insbench.workflows.benchmark_targets import BenchmarkTarget, groups_of, target_rows
from aiida_insbench.workflows.protocols.benchmark import frozen_rules

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]


def ended(message):
    return SimpleNamespace(exit_message=message)


def modes(gamma, minimum, mesh=(4, 4, 4)):
    return Dict(
        {
            'gamma': {'frequencies': gamma},
            'mesh': {'mesh': list(mesh), 'minimum_frequency': minimum},
        }
    )


def test_pressures_that_were_not_reached():
    found = failures_of_phonons([0.0, 1.5], {'p_0000': object()}, 'not relaxed')
    assert found == {'p_1500': 'No relaxed crystal or phonons at 1.5 GPa: not relaxed'}


def test_instability_of_its_own_is_a_failure_that_of_dft_is_not():
    mine = {'p_0000': modes([200.0], -80.0), 'p_5000': modes([-50.0], -60.0)}
    theirs = {'p_0000': modes([201.0], 0.0), 'p_5000': modes([-148.0], -150.0)}
    found = failures_of_modes(mine, theirs)
    assert set(found) == {'p_0000'}
    assert '80i cm⁻¹' in found['p_0000']
    assert 'the DFT reference has none' in found['p_0000']


def test_reference_of_gamma_alone_judges_gamma_alone():
    """Away from Γ such a reference knows nothing, so nothing is held against the potential."""
    mine = {'p_0000': modes([200.0], -80.0)}
    assert failures_of_modes(mine, {'p_0000': modes([201.0], 0.0, mesh=(1, 1, 1))}) == {}


def test_broken_dynamics_count_at_their_pressure():
    runs = [
        {'label': 'p_0000_nvt', 'sound': True, 'first_violation_ps': None, 'checks': []},
        {'label': 'p_1500_npt', 'sound': False, 'first_violation_ps': 1.25, 'checks': ['volume']},
        {'label': 'p_9000_npt', 'sound': False, 'first_violation_ps': 0.1, 'checks': ['site']},
    ]
    verdict = {'tables': {'dynamics': {'runs': runs}}}
    assert failures_of_dynamics([0.0, 1.5], verdict) == {
        'p_1500': 'Molecular dynamics (npt) broke after 1.250 ps: volume.'
    }
    assert failures_of_dynamics([0.0], {'tables': {'dynamics': {}}}) == {}


def test_pressures_without_a_spectrum():
    found = failures_of_spectra({'p_0000': 1, 'p_1500': 1}, {'p_0000': 1}, ended('unstable'))
    assert found == {'p_1500': 'No spectrum: unstable'}


def measured(**changes):
    given = {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': 1.0, 'pressure_error': 0.2,
        'sample': 'x', **changes,
    }  # fmt: skip
    energies = np.arange(100.0, 500.0, 5.0)
    spectrum = MeasuredSpectrum(energies, np.ones(len(energies)))
    return measured_node(spectrum, check_conditions(given), source='x.dat').store()


def test_like_conditions_share_a_simulation():
    nodes = {
        'a': measured(),
        'b': measured(pressure=2.0),
        'c': measured(isotopes={'H': '2H'}),
        'd': measured(instrument='VISION'),
    }
    groups = groups_of(nodes, reference={})
    assert sorted(group.members for group in groups) == [('a', 'b'), ('c',), ('d',)]
    (shared,) = [group for group in groups if group.members == ('a', 'b')]
    assert shared.parameters == {
        'instrument': 'TOSCA', 'temperature': 10.0, 'energy_range': [40.0, 555.0],
    }  # fmt: skip
    assert not shared.reference_competes


def test_reference_of_the_unit_cell_is_no_competitor_on_measurements():
    unit = SimpleNamespace(base=_attributes(np.eye(3).tolist()))
    larger = SimpleNamespace(base=_attributes([[2, 0, 0], [1, 2, 0], [0, 0, 1]]))
    for node, competes in ((unit, False), (larger, True)):
        measured_group, dft_group = groups_of({'a': measured()}, reference={'p_0000': node})
        assert measured_group.reference_competes is competes
    # rows are axes here, columns in phonopy
    assert dft_group.parameters['supercell_matrix'] == [[2, 1, 0], [0, 2, 0], [0, 0, 1]]


def _attributes(matrix):
    return SimpleNamespace(attributes=SimpleNamespace(get=lambda _name, _default: matrix))


class TestPressuresNeeded:
    def target(self, pressure, error):
        node = measured(pressure=pressure, pressure_error=error)
        (group,) = groups_of({'a': node}, reference={})
        (found,) = target_rows({'a': node}, [group], {}, blind=['a'])
        assert isinstance(found, BenchmarkTarget)
        return found

    def test_those_that_enclose_it_with_its_error(self):
        spectra = dict.fromkeys(('p_0000', 'p_1000', 'p_2000', 'p_3000'), 1)
        assert set(self.target(1.0, 0.2).needed(spectra)) == {'p_0000', 'p_1000', 'p_2000'}
        assert set(self.target(1.5, 0.1).needed(spectra)) == {'p_1000', 'p_2000'}

    def test_anchors_keep_their_prefix(self):
        spectra = {'reference_p_0000': 1, 'reference_p_2000': 1}
        assert self.target(1.5, 0.1).needed(spectra) == spectra

    def test_a_lost_pressure_may_leave_it_outside(self):
        target = self.target(1.5, 0.1)
        assert target.within({'p_1000': 1, 'p_2000': 1})
        assert not target.within({'p_0000': 1, 'p_1000': 1})
        assert not target.within({})
        assert target.row['blind']


def test_differences_are_of_one_cell_from_its_lowest_pressure():
    nodes = {
        'open': measured(pressure=0.0),
        'clamp_a': measured(pressure=0.5, cell='CuBe clamp'),
        'clamp_b': measured(pressure=1.0, cell='CuBe clamp'),
        'clamp_c': measured(pressure=2.0, cell='CuBe clamp'),
        'again': measured(pressure=0.5, cell='CuBe clamp'),
        'other': measured(pressure=2.0, cell='PE press'),
    }
    targets = target_rows(nodes, groups_of(nodes, reference={}), {}, blind=[])
    pairs = [(low.row['name'], high.row['name']) for low, high in difference_pairs(targets)]
    assert pairs == [('again', 'clamp_b'), ('again', 'clamp_c')]


def test_members_are_analysed_beside_their_potential():
    committees = {'a': {'x': {'p_0000': 1}, 'y': {}}, 'b': {'x': {'p_0000': 2}}, 'c': {'x': {}}}
    phonons, named = in_analysis(committees, {'a': {'p_0000': 0}, 'c': {'p_0000': 0}})
    assert phonons == {'member_0_of_a': {'p_0000': 1}}
    assert named == {'a': ['a', 'member_0_of_a']}


def test_rules_of_dft_targets_leave_no_freedom_of_data():
    rules = Dict(frozen_rules())
    node = measured()
    (group,) = groups_of({'a': node}, reference={})
    (target,) = target_rows({'a': node}, [group], {}, blind=[])
    assert target.rules(rules).get_dict()['scoring']['fit']['background_order'] == 1
    of_dft = BenchmarkTarget({**target.row, 'kind': 'dft'}, node, group)
    fit = of_dft.rules(rules).get_dict()['scoring']['fit']
    assert fit == {'scale_range': [0.5, 2.0], 'background_order': None}


def test_vibrations_of_strangers_and_of_other_pressures_are_refused():
    inputs = {
        'potentials': {'a': SimpleNamespace(elements=('H',))},
        'pressures': SimpleNamespace(get_list=lambda: [0.0, 1.0]),
        'reference': {'p_0000': 1},
        'force_constants': {'a': {'p_0000': 1}},
    }
    assert validate_benchmark(inputs) is None
    inputs['force_constants'] = {'a': {'p_2000': 1}, 'b': {'p_0000': 1}}
    message = validate_benchmark(inputs)
    assert '`force_constants` names b, which `potentials` does not.' in message
    assert '`force_constants.a` has p_2000; the labels of `pressures` are p_0000, p_1000.' in (
        message
    )


def test_band_shifts_need_a_table_and_two_pressures():
    row = {
        'frequency': 300.0, 'slope': 6.0, 'slope_error': 0.5, 'temperature': 10.0,
        'technique': 'INS',
    }  # fmt: skip
    inputs = {
        'potentials': {'a': SimpleNamespace(elements=('H',))},
        'pressures': SimpleNamespace(get_list=lambda: [0.0, 1.0]),
        'reference': {'p_0000': 1},
        'band_shifts': {'raman': Dict({'rows': [row], 'file': 'raman.csv'})},
        'rules': Dict(frozen_rules()),
    }
    assert validate_benchmark(inputs) is None
    inputs['band_shifts'] = {'raman': Dict({'rows': []}), 'other': Dict({'rows': [{'x': 1}]})}
    inputs['pressures'] = SimpleNamespace(get_list=lambda: [0.0])
    inputs['rules'] = Dict({**frozen_rules(), 'shift_scoring': {'flta': 1.0}})
    message = validate_benchmark(inputs)
    for part in (
        'two `pressures` or more', '`band_shifts.raman`: The table of band shifts holds no `rows`',
        '`band_shifts.other`: This is no table', 'Unknown settings of band shifts: flta',
    ):  # fmt: skip
        assert part in message


def test_faults_are_named_together():
    potential = SimpleNamespace(elements=('H',))
    structure = SimpleNamespace(get_symbols_set=lambda: {'H', 'Mg'})
    pressures = SimpleNamespace(get_list=lambda: [0.0, 1.0])
    rules = Dict({**frozen_rules(), 'blind': ['gone'], 'scorng': {}})
    message = validate_benchmark(
        {
            'potentials': {'dft': potential},
            'structure': structure,
            'pressures': pressures,
            'measured': {'a': measured(pressure=2.0, isotopes={'O': '18O'})},
            'rules': rules,
        }
    )
    for part in (
        "`dft` cannot be a name", 'knows no Mg', 'is at 2 GPa; `pressures` go from 0 to 1 GPa',
        'isotopes of O', 'unknown scorng', 'blind` names gone',
    ):  # fmt: skip
        assert part in message
    assert 'no target' in validate_benchmark({'potentials': {'a': potential}})
