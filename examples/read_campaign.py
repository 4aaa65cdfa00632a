"""Read a campaign from the graph: shifts of its modes, its spectra, the pw.x runs behind them."""

import argparse

from aiida import load_profile
from aiida.orm import QueryBuilder, WorkChainNode, load_node

from aiida_insbench.queries import lineage


def main() -> None:
    """Print the table of shifts and, if asked, plot the spectra."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('campaign', nargs='?', help='PK or UUID; default: the last one that ended')
    parser.add_argument('--plot', metavar='FILE', help='write the spectra as PNG, SVG or PDF')
    options = parser.parse_args()

    load_profile()
    campaign = load_node(options.campaign) if options.campaign else last_campaign()
    print_shifts(campaign)
    spectra = sorted(campaign.outputs.spectrum.items())
    runs = lineage(spectra[0][1])
    print(f'{len(runs)} pw.x runs stand behind the spectrum at {spectra[0][1].pressure:g} GPa.')
    if options.plot:
        plot_spectra([spectrum for _, spectrum in spectra], options.plot)


def last_campaign():
    """Return the newest campaign of this profile that has ended well."""
    query = QueryBuilder().append(
        WorkChainNode,
        filters={
            'attributes.process_label': 'CampaignWorkChain',
            'attributes.exit_status': 0,
        },
    )
    query.order_by({WorkChainNode: {'ctime': 'desc'}})
    found = query.first(flat=True)
    if found is None:
        raise SystemExit('No campaign of this profile has ended well.')
    return found


def print_shifts(campaign) -> None:
    """Print each mode's slope in cm⁻¹ per GPa, beside DFT's where there is a reference."""
    rounds = campaign.outputs.comparison['potentials']
    last = max(rounds, key=lambda name: int(name.rpartition('_')[2]))
    modes = rounds[last]['modes']
    print('irrep   cm-1 at lowest pressure   slope cm-1/GPa   DFT')
    for mode in modes:
        first = next(iter(mode['frequencies'].values()))
        dft = mode.get('reference_slope')
        print(
            f'{mode["irrep"]:7s} {first:23.1f} {mode["slope"]:16.1f}   '
            f'{"" if dft is None else format(dft, ".1f"):7s}'
            f'{"  red" if mode["slope"] < 0 else ""}'
        )


def plot_spectra(spectra, path) -> None:
    """Overlay the pressures; only the first two orders are drawn apart."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout='constrained')
    for number, spectrum in enumerate(spectra):
        line = axes.plot(
            spectrum.energy_transfer, spectrum.total, label=f'{spectrum.pressure:g} GPa'
        )[0]
        if number == 0:
            axes.fill_between(
                spectrum.energy_transfer,
                spectrum.total - spectrum.components('order')['1'],
                color=line.get_color(),
                alpha=0.2,
                label='orders 2 and above',
            )
    axes.set(
        xlabel='energy transfer / cm$^{-1}$',
        ylabel=f'S(Q, ω) in {spectra[0].details["units"]["intensity"]}',
        title=f'{spectra[0].instrument}, {spectra[0].temperature:g} K',
    )
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == '__main__':
    main()
