"""What `load_node(pk).tools` offers."""

import numpy as np
import pytest
from aiida.orm import Dict, load_node
from fake_nodes import workchain

from aiida_insbench.data import SpectrumData
from aiida_insbench.science.errors import InputError
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.campaign import CampaignWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]


def spectrum(pressure):
    energies = np.arange(0.0, 500.0, 2.0)
    return SpectrumData(
        energy_transfer=energies,
        total=np.exp(-0.5 * ((energies - 250.0 - 20 * pressure) / 10.0) ** 2),
        instrument='TOSCA',
        pressure=pressure,
    ).store()


def tools_of(process_class, **outputs):
    stored = {
        name: node if node.is_stored else node.store()
        for name, node in outputs.items()
        if not isinstance(node, dict)
    }
    nested = {name: node for name, node in outputs.items() if isinstance(node, dict)}
    made = workchain(process_class, outputs={**stored, **nested})
    return load_node(made.pk).tools


def test_spectra_are_drawn_in_order_of_pressure():
    found = {'p_1000': spectrum(1.0), 'm_0500': spectrum(-0.5), 'p_0000': spectrum(0.0)}
    figure = tools_of(InsWorkChain, spectrum=found).plot()
    assert [axes.texts[0].get_text() for axes in figure.axes] == ['-0.5 GPa', '0 GPa', '1 GPa']
    curve = figure.axes[1].lines[0]
    assert curve.get_xdata()[np.nanargmax(curve.get_ydata())] == pytest.approx(250.0, abs=2)


def test_without_spectra_it_says_so():
    with pytest.raises(InputError, match='has no `spectrum`'):
        tools_of(InsWorkChain).plot()


def test_ranking_and_frequencies_and_rounds():
    ranked = [{'rank': 1, 'name': 'fine', 'mean': 0.2, 'error': 0.01, 'cells': {}}]
    assert tools_of(BenchmarkWorkChain, ranking=Dict({'ranked': ranked})).ranking() == [
        (1, 'fine', 0.2, 0.01)
    ]
    modes = {'p_0000': Dict({'gamma': {'frequencies': [-10.0, 300.0]}}).store()}
    assert tools_of(PhononsWorkChain, modes=modes).frequencies() == {'p_0000': [-10.0, 300.0]}
    rounds = {f'round_{number}': Dict({'number': number}).store() for number in (10, 2, 1)}
    found = tools_of(CampaignWorkChain, rounds=rounds).rounds()
    assert [one['number'] for one in found] == [1, 2, 10]
