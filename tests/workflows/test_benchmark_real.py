"""`insbench.benchmark` by the real program: EMT's copper as DFT, a measurement made from it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.manage import enable_caching
from aiida.orm import Dict, InstalledCode, SinglefileData, StructureData
from ase.build import bulk

from aiida_insbench.calculations.measured import import_band_shifts, import_spectrum
from aiida_insbench.data import PotentialData
from aiida_insbench.report.benchmark_write import write_benchmark
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

OVERRIDES = {
    'phonons': {
        'mesh': [2, 2, 2],
        'supercell_matrix': np.diag([2, 2, 2]).tolist(),
        'strained': False,
    },
    'ins': {'energy_range': [0.0, 320.0], 'bin_width': 2.0, 'mesh': [6, 6, 6], 'tolerance': 5.0},
    'broadening': {'resolution': [6.0]},
}
PRESSURES = [0.0, 1.0, 2.0]
#: Nearly as EMT has it; and one far softer and larger, which 2 GPa destroy.
LIKE = ('lj', {'epsilon': 0.15, 'sigma': 2.32})
WEAK = ('lj', {'epsilon': 0.02, 'sigma': 2.6})


def node_of(name, arguments=None):
    return PotentialData.from_potential(potential_from_ase(name, arguments or {})).store()


def copper():
    return StructureData(ase=bulk('Cu', cubic=True, a=3.6))


@pytest.fixture(scope='module')
def reference(job_code):
    """Force constants of EMT, which stands for DFT here."""
    builder = PhononsWorkChain.get_builder_from_protocol(
        job_code, node_of('emt'), copper(), PRESSURES, protocol='fast', overrides=OVERRIDES
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    return dict(results['force_constants'])


def measurement(spectrum, *, pressure=1.0):
    """A file as an instrument would write it: another scale, a background, counting errors."""
    rng = np.random.default_rng(1)
    kept = spectrum.energy_transfer > 20
    energies, clean = spectrum.energy_transfer[kept], spectrum.total[kept]
    counts = 400 * clean / clean.max() + 20
    error = np.sqrt(counts)
    rows = zip(energies, rng.normal(counts, error), error, strict=True)
    text = '# X (cm-1) , Y , E\n' + '\n'.join(f'{e:.3f} {y:.4f} {s:.4f}' for e, y, s in rows)
    settings = {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': pressure, 'pressure_error': 0.2,
        'sample': 'copper', 'doi': '10.5286/ISIS.E.1', 'counts_per_bin': False,
        'unit': 'cm-1', 'sure_of_unit': True,
    }  # fmt: skip
    content = SinglefileData(io.BytesIO(text.encode()), filename='copper.dat')
    return import_spectrum(content, Dict(settings))


def measured_shifts(modes):
    """What a diamond cell would give if the first band went red."""
    rows = [
        f'{next(iter(mode["frequencies"].values())):.2f},{mode["slope"]:.3f},0.1' for mode in modes
    ]
    first = rows[0].split(',')
    rows[0] = f'{first[0]},-{first[1]},{first[2]}'
    text = '# temperature: 10 K\n# technique: Raman\nomega0_cm1,domega_dp_cm1_per_gpa,sigma\n'
    content = io.BytesIO((text + '\n'.join(rows)).encode())
    return import_band_shifts(SinglefileData(content, filename='raman.csv'))


@pytest.fixture(scope='module')
def potentials():
    return {'good': node_of('emt'), 'like': node_of(*LIKE), 'bad': node_of(*WEAK)}


@pytest.fixture(scope='module')
def against_dft(job_code, reference, potentials):
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        job_code, potentials, copper(), PRESSURES, reference=reference, protocol='fast',
        overrides=OVERRIDES,
    )  # fmt: skip
    return run_get_node(builder)


def test_potentials_are_ranked_and_the_bad_one_is_last_with_its_reason(against_dft) -> None:
    results, node = against_dft
    assert node.is_finished_ok, node.exit_message
    ranking = results['ranking'].get_dict()
    assert [one['name'] for one in ranking['ranked']] == ['good', 'like', 'bad'], ranking
    good, like, bad = ranking['ranked']
    assert good['mean'] < 0.02
    assert good['mean'] < like['mean'] < bad['mean'] <= 1.0
    assert any(
        text.startswith("Does not reproduce DFT's spectrum at 0 GPa")
        for text in ranking['verdicts']['bad']
    )
    assert any('Transferable to 2 GPa' in text for text in ranking['verdicts']['good'])


def test_what_pressure_changes_is_scored(against_dft) -> None:
    results, _ = against_dft
    scores = results['difference_scores']
    assert set(scores['good']) == {'dft_p_1000', 'dft_p_2000'}
    good, like = (scores[name]['dft_p_2000'].get_dict() for name in ('good', 'like'))
    assert good['pressures'] == [0.0, 2.0]
    assert good['cost'] < 0.02 < like['cost']
    overlay = results['difference_overlays']['good']['dft_p_2000']
    changed = np.abs(overlay.get_array('target')).max()
    assert changed > 0.1 * results['overlays']['good']['dft_p_0000'].get_array('target').max()
    assert overlay.get_array('simulated') == pytest.approx(
        overlay.get_array('target'), abs=0.1 * changed
    )


def test_report_of_a_real_run(against_dft, tmp_path) -> None:
    """All files, from the graph alone."""
    results, node = against_dft
    paths = {path.name: path for path in write_benchmark(node, tmp_path)}
    page = paths['benchmark.html'].read_text(encoding='utf-8')
    for part in ('What pressure changes', 'What the errors are made of', 'Γ modes'):
        assert part in page
    data = json.loads(paths['benchmark.json'].read_text(encoding='utf-8'))
    assert data['ranking'] == results['ranking'].get_dict()
    assert data['differences']['dft_p_2000']['lower'] == 'dft_p_0000'
    drawn = data['cells'][0]['overlays']['good']['simulated']
    exact = results['overlays']['good']['dft_p_0000'].get_array('simulated')
    assert drawn == pytest.approx(exact, rel=1e-5)
    assert paths['benchmark.json'].stat().st_size < 3 * paths['benchmark.html'].stat().st_size


def test_ranking_is_that_of_frequency_errors(against_dft) -> None:
    results, _ = against_dft
    ranking = results['ranking'].get_dict()
    errors = ranking['frequency_errors']
    assert errors['good'] < 0.5 < errors['like']
    assert ranking['agreement']['same_order']


def test_every_score_leads_back_to_its_potential(against_dft, potentials) -> None:
    results, _ = against_dft
    score = results['scores']['like']['dft_p_1000']
    process = score.creator
    assert process.process_label == 'score_spectra'
    ins = process.inputs.p_1000.creator.inputs.contributions.creator
    assert ins.inputs.force_constants.p_1000.creator.inputs.potential.uuid == (
        potentials['like'].uuid
    )
    overlay = results['overlays']['like']['dft_p_1000']
    assert overlay.get_array('target').shape == overlay.get_array('simulated').shape


@pytest.fixture(scope='module')
def against_measurement(job_code, reference, potentials, against_dft):
    results, _ = against_dft
    measured = measurement(results['spectrum']['good']['supercell']['p_1000'])
    with enable_caching():
        builder = BenchmarkWorkChain.get_builder_from_protocol(
            job_code, {name: potentials[name] for name in ('good', 'like')}, copper(), PRESSURES,
            measured={'run1': measured}, reference=reference, blind=['run1'], protocol='fast',
            overrides=OVERRIDES,
        )  # fmt: skip
        return run_get_node(builder)


def test_measured_spectrum_is_scored_within_its_pressure(against_measurement) -> None:
    results, node = against_measurement
    assert node.is_finished_ok, node.exit_message
    ranking = results['ranking'].get_dict()
    assert ranking['ranked'][0]['name'] == 'good'
    score = results['scores']['good']['run1'].get_dict()
    assert score['profile']['stated'] == 1.0
    assert abs(score['profile']['best'] - 1.0) <= 0.2
    assert score['headline_error'] > 0
    assert score['headline'] < results['scores']['like']['run1'].get_dict()['headline']
    assert score['anchors']['itself']['cost'] < 0.01
    assert {'smoothed by 60', 'shuffled', 'DFT reference'} <= set(score['anchors'])
    (row,) = [one for one in ranking['cells'] if one['name'] == 'run1']
    assert row['doi'] == '10.5286/ISIS.E.1'
    assert len(row['file_hash']) == 64
    assert ranking['blind'][0]['name'] == 'good'
    assert 'run1' in ranking['dft']
    # both ends of 1.0 ± 0.2 GPa are simulated, for the measured spectrum alone
    spectra = results['spectrum']['good']
    assert {'p_0800', 'p_1200'} < set(spectra['measured_1'])
    assert set(spectra['supercell']) == {'p_0000', 'p_1000', 'p_2000'}
    assert not score['profile']['narrowed']


def test_cells_that_have_not_changed_are_not_computed_again(against_measurement) -> None:
    """Potentials, phonons and the scores against DFT are those of the run before."""
    _, node = against_measurement
    again = {one.process_label: one.base.caching.is_created_from_cache for one in node.called}
    scores = [one for one in node.called if one.process_label == 'score_spectra']
    cached = [one for one in scores if one.base.caching.is_created_from_cache]
    assert len(scores) == 2 * 3 + 3  # two potentials on DFT, and both and DFT on the measurement
    assert len(cached) == 2 * 3
    assert 'rank_scores' in again


def test_vibrations_that_are_known_are_not_computed_again(
    job_code, reference, potentials, against_dft
) -> None:
    before, _ = against_dft
    given = {name: dict(before['force_constants'][name]) for name in ('good', 'like')}
    del given['like']['p_2000']
    modes = before['comparison'].get_dict()['reference']['modes']
    table = measured_shifts(modes)
    with enable_caching():
        builder = BenchmarkWorkChain.get_builder_from_protocol(
            job_code, {name: potentials[name] for name in given}, copper(), PRESSURES,
            reference=reference, force_constants=given, band_shifts={'raman': table},
            protocol='fast', overrides=OVERRIDES,
        )  # fmt: skip
        results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert 'PhononsWorkChain' not in {one.process_label for one in node.called}
    ranking, old = results['ranking'].get_dict(), before['ranking'].get_dict()
    assert ranking['ranked'][0]['mean'] == pytest.approx(old['ranked'][0]['mean'])
    failures = ranking['ranked'][1]['failures']
    assert failures == {
        'dft_p_2000': 'No relaxed crystal or phonons at 2 GPa: it is not among the force '
        'constants given.'
    }
    out = results['force_constants']['good']['p_1000']
    assert out.uuid == given['good']['p_1000'].uuid
    # all that was measured is what DFT has, save one shift of the other sign
    score = results['shift_scores']['good']['raman'].get_dict()
    n_bands = len(modes)
    assert (score['signs_right'], score['signs_known']) == (n_bands - 1, n_bands)
    assert len(score['red_missed']) == 1
    assert score['cost'] == pytest.approx(1 / n_bands, abs=0.02)
    assert set(results['shift_scores']) == {'good', 'like', 'dft'}
    assert any('red shift at' in text for text in ranking['verdicts']['good'])
    assert ranking['pressure_scores']['good']['raman']['cost'] == score['cost']


def test_without_a_spectrum_of_dft_nothing_is_ranked_and_the_reason_is_told(
    job_code, reference, potentials, against_dft
) -> None:
    before, _ = against_dft
    broken = InstalledCode(
        label='broken', computer=job_code.computer, filepath_executable='/bin/false',
        default_calc_job_plugin='insbench.ins',
    )  # fmt: skip
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        job_code, {'good': potentials['good']}, copper(), PRESSURES[:1],
        reference={'p_0000': reference['p_0000']},
        force_constants={'good': {'p_0000': before['force_constants']['good']['p_0000']}},
        protocol='fast', overrides=OVERRIDES,
    )  # fmt: skip
    builder.ins.ins.code = broken
    _, node = run_get_node(builder)
    assert node.exit_status == 412, (node.exit_status, node.exit_message)
    assert 'the spectra of DFT could not be simulated' in node.exit_message


def test_spread_of_a_committee_is_part_of_the_error(
    job_code, reference, potentials, against_dft
) -> None:
    """One member whose vibrations are known, one that is computed: that of `like`, both."""
    before, _ = against_dft
    known = {name: dict(before['force_constants'][name]) for name in ('good', 'like')}
    with enable_caching():
        builder = BenchmarkWorkChain.get_builder_from_protocol(
            job_code, {'good': potentials['good']}, copper(), PRESSURES, reference=reference,
            force_constants={'good': known['good']},
            committees={'good': dict.fromkeys(('known', 'new'), potentials['like'])},
            committee_force_constants={'good': {'known': known['like']}},
            protocol='fast', overrides=OVERRIDES,
        )  # fmt: skip
        results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    labels = [link.link_label for link in node.base.links.get_outgoing().all()]
    assert 'phonons_good__member__new' in labels
    assert 'phonons_good__member__known' not in labels
    score = results['scores']['good']['dft_p_1000']
    other = before['scores']['like']['dft_p_1000'].get_dict()['headline']
    parts = score.get_dict()['uncertainty']['components']
    # two members alike and the potential itself
    spread = np.std([score.get_dict()['headline'], other, other], ddof=1)
    assert parts['committee']['cost'] == pytest.approx(spread, rel=1e-6)
    assert parts['convergence']['cost'] > 0
    assert score.get_dict()['headline_error'] >= spread
    assert {'member_0_p_1000', 'member_1_p_1000'} <= set(score.creator.inputs)
    assert results['ranking']['errors']['good']['dft_p_1000']['committee'] == pytest.approx(spread)
    assert set(results['ranking']['frequency_errors']) == {'good'}
    comparison = results['comparison'].get_dict()
    assert comparison['committees']['good']['members'] == [
        'good', 'member_0_of_good', 'member_1_of_good',
    ]  # fmt: skip
    modes = comparison['potentials']['good']['modes']
    assert all(row['slope_sigma'] > 0 for row in modes)


def test_all_faults_of_the_inputs_are_named_at_once(job_code, potentials, reference) -> None:
    given = {'overrides': OVERRIDES, 'protocol': 'fast'}
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        job_code, potentials, copper(), PRESSURES, **given
    )
    with pytest.raises(ValueError, match='There is no target'):
        run_get_node(builder)
    salt = StructureData(ase=bulk('NaCl', 'rocksalt', a=5.6))
    with pytest.raises(ValueError, match=r'knows no .*blind` names') as caught:
        run_get_node(
            BenchmarkWorkChain.get_builder_from_protocol(
                job_code, potentials, salt, PRESSURES, reference=reference, blind=['gone'], **given
            )
        )
    assert 'run1' not in str(caught.value)
