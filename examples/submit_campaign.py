"""Submit a campaign on MgH2: pw.x labels, two potentials, phonons, spectra, judgement."""

import argparse
from pathlib import Path

from aiida import load_profile
from aiida.engine import submit
from aiida.orm import StructureData, load_code
from aiida_pseudo.data.pseudo import UpfData
from ase.spacegroup import crystal

from aiida_insbench.workflows.campaign import CampaignWorkChain

PSEUDOS = {'Mg': 'Mg.pz-n-vbc.UPF', 'H': 'H.pz-vbc.UPF'}


def main() -> None:
    """Build the inputs, check them, submit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pressures', type=float, nargs='+', default=[0.0, 1.0, 2.0], help='GPa')
    parser.add_argument(
        '--pseudos', type=Path, default=Path('/usr/share/espresso/pseudo'), help='folder of UPF'
    )
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--dry-run', action='store_true', help='check everything, submit nothing')
    options = parser.parse_args()

    load_profile()
    builder = campaign_builder(options.pressures, options.pseudos, options.seed)
    if options.dry_run:
        problem = CampaignWorkChain.spec().inputs.validate(builder._inputs(prune=True))
        print(problem or 'The inputs are complete and valid.')
        return
    node = submit(builder)
    print(f'Submitted campaign {node.pk}; follow it with: aiida-insbench status {node.pk} --watch')


def campaign_builder(pressures, pseudo_folder, seed):
    """Builder from the fast protocol; `overrides` has the keys of the protocol's YAML file."""
    rutile = crystal(
        ['Mg', 'H'],
        basis=[(0, 0, 0), (0.304, 0.304, 0)],
        spacegroup=136,
        cellpar=[4.501, 4.501, 3.010, 90, 90, 90],
    )
    return CampaignWorkChain.get_builder_from_protocol(
        pw_code=load_code('pw@insbench-local'),
        job_code=load_code('insbench-job@insbench-local'),
        structure=StructureData(ase=rutile),
        pressures=pressures,
        pseudos={
            element: UpfData.get_or_create(pseudo_folder / name)
            for element, name in PSEUDOS.items()
        },
        cutoffs=(50.0, 200.0),  # Ry
        protocol='fast',
        overrides={'kpoints_mesh': [4, 4, 4], 'ins': {'temperature': 10.0}},
        reference_pressures=[pressures[0], pressures[-1]],
        seed=seed,
    )


if __name__ == '__main__':
    main()
