"""``aiida-insbench query``: lists of spectra and potentials."""

from __future__ import annotations

import math

import click
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.tables import FORMAT, LIMIT, note, number, pressures, show_rows

_VERDICTS = {True: 'passed', False: 'failed', None: '-'}


@click.command('spectra')
@click.option('--pressure-above', type=float, required=True, help='Of the spectra, GPa.')
@click.option(
    '--trained-at-most',
    type=float,
    default=0.0,
    show_default=True,
    help='Largest target pressure of the frames that a potential, or one it was fine-tuned from, '
    'has learnt, GPa.',
)
@click.option(
    '--allow-unknown',
    is_flag=True,
    help='Also of potentials of which not all training is on record, such as imported ones.',
)
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_spectra(pressure_above, trained_at_most, allow_unknown, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""Simulated spectra above a pressure, of potentials that learnt nothing up there.

    \b
    Example: aiida-insbench query spectra --pressure-above 0.5 --trained-at-most 0
    """
    from aiida_insbench.queries import spectra_above

    if not (math.isfinite(pressure_above) and math.isfinite(trained_at_most)):
        echo.echo_critical('Pressures are numbers in GPa.')
    found = spectra_above(
        pressure_above, trained_at_most=trained_at_most, allow_untold=allow_unknown
    )
    columns = {
        'PK': lambda row: row.pk,
        'P (GPa)': lambda row: number(row.pressure),
        'T (K)': lambda row: number(row.temperature),
        'sample': lambda row: row.sample,
        'instrument': lambda row: row.instrument,
        'potential': lambda row: f'{row.potential} {row.potential_label}'.strip(),
        'learnt at (GPa)': lambda row: pressures(row.learnt, some_unknown=bool(row.untold)),
        'chosen at (GPa)': lambda row: pressures(row.validated),
    }
    if not found.rows:
        note(f'No such spectrum above {pressure_above:g} GPa.', form=form)
    show_rows(found.rows, columns=columns, form=form, limit=limit)
    left_out = (
        (found.n_trained_above, f'their potential learnt above {trained_at_most:g} GPa'),
        (
            found.n_untold,
            'not all training of their potential is on record; --allow-unknown shows them',
        ),
        (found.n_without_potential, 'no potential made them'),
    )
    for count, why in left_out:
        if count:
            note(f'{count} more above {pressure_above:g} GPa left out: {why}.', form=form)
    higher = {
        row.potential
        for row in found.rows
        if max(row.validated, default=-math.inf) > trained_at_most
    }
    if higher:
        note(
            f'{len(higher)} of these potentials had their weights chosen by validation frames '
            f'above {trained_at_most:g} GPa, though they were not fitted to them.',
            form=form,
        )


@click.command('potentials')
@click.option(
    '--sort', type=click.Choice(['pk', 'force', 'score']), default='pk', show_default=True
)
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_potentials(sort, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""Potentials beside each other: frames learnt, force error, verdict, score.

    The force error is that of the newest `insbench.evaluate` on frames that no training saw, or
    else on validation or training frames, as is said. The score is the mean cost in the newest
    benchmark: 0 the same as its targets, 1 featureless.

    \b
    Example: aiida-insbench query potentials --sort score
    """
    from aiida_insbench.queries import potential_scores

    columns = {
        'PK': lambda row: row.pk,
        'label': lambda row: row.label[:20],
        'elements': lambda row: row.elements,
        'frames': lambda row: row.n_frames or '-',
        'learnt at (GPa)': lambda row: pressures(row.learnt, some_unknown=bool(row.untold)),
        'parent': lambda row: row.parent or '-',
        'forces (meV/Å)': lambda row: (
            f'{number(row.force_rmse, ".1f")} {row.force_rmse_on}'.strip()
        ),
        'verdict': lambda row: _VERDICTS[row.passed],
        'score': _score_text,
        'rank': lambda row: f'{row.rank} of {row.n_ranked}' if row.rank else '-',
        'benchmark': lambda row: row.benchmark or '-',
    }
    rows = potential_scores(sort=sort)
    if not rows:
        note('No potential. `aiida-insbench potential import` makes one.', form=form)
    show_rows(rows, columns=columns, form=form, limit=limit)
    if sort == 'score' and len({row.benchmark for row in rows} - {None}) > 1:
        note('Scores of different benchmarks rest on different targets.', form=form)


def _score_text(row) -> str:  # type: ignore[no-untyped-def]
    if row.score is None:
        return '-'
    return f'{row.score:.2f} ± {row.score_error:.2f}' if row.score_error else f'{row.score:.2f}'


@click.command('measured')
@click.option('--sample', default='', help='Part of the name of the sample.')
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_measured(sample, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""Measured spectra by sample: pressure, instrument, DOI, hash of the file.

    \b
    Example: aiida-insbench query measured --sample graphite
    """
    from aiida_insbench.queries import measured_spectra

    columns = {
        'sample': lambda row: row.sample,
        'P (GPa)': lambda row: (
            f'{row.pressure:g} ± {row.pressure_error:g}'
            if row.pressure_error
            else number(row.pressure)
        ),
        'T (K)': lambda row: number(row.temperature),
        'instrument': lambda row: row.instrument,
        'PK': lambda row: row.pk,
        'DOI': lambda row: row.doi or '-',
        'SHA-256': lambda row: row.file_hash[:12] or '-',
    }
    rows = measured_spectra(sample=sample)
    if not rows:
        what = f' of a sample called {sample}' if sample else ''
        note(f'No measured spectrum{what}. `aiida-insbench spectrum import` makes one.', form=form)
    show_rows(rows, columns=columns, form=form, limit=limit)
