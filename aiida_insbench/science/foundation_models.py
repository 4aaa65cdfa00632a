"""Foundation models of MACE by name: where they are published, and the SHA-256 of their files.

A file is opened only if its SHA-256 is in this table or the user vouches for it. Addresses are
those of mace-torch 0.3.16 where it lists the model. Levels of theory and licences: the table of
https://github.com/ACEsuit/mace-foundations and https://github.com/ACEsuit/mace-off. The sums of
MACE-MPA-0, MACE-MP-0-small and MACE-OFF23-small are those MACE's own tests hold; all others were
found alike in at least two repositories of users who had downloaded the files, but for
MACE-OFF23b-medium, found in one.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiida_insbench.science.errors import PotentialError, format_error

_MP = 'https://github.com/ACEsuit/mace-mp/releases/download'
_FOUNDATIONS = 'https://github.com/ACEsuit/mace-foundations/releases/download'
_OFF = 'https://raw.githubusercontent.com/ACEsuit/mace-off/main'
#: Academic Software License: no commercial use.
_ASL = 'ASL'
_MIT = 'MIT'


@dataclass(frozen=True)
class FoundationModel:
    """A published model.

    Attributes
    ----------
    name : str
        As users call it.
    url : str
        Of its file.
    sha256 : str
        Of its file.
    functional : str
        Exchange and correlation of the DFT it learnt; several where it has several heads.
    licence : str
        ``MIT``, or ``ASL`` (Academic Software License, no commercial use).
    training_set : str
        What it learnt.
    """

    name: str
    url: str
    sha256: str
    functional: str
    licence: str
    training_set: str

    @property
    def file_name(self) -> str:
        """Name of the file, as published."""
        return self.url.rpartition('/')[2]

    @property
    def provenance(self) -> dict[str, object]:
        """What is kept with a potential made from it."""
        return {
            'dft_level': {'functional': self.functional, 'training_set': self.training_set},
            'licence': self.licence,
        }


_MODELS = (
    FoundationModel(
        'MACE-MP-0-small',
        f'{_MP}/mace_mp_0/2023-12-10-mace-128-L0_energy_epoch-249.model',
        '2ddb079cee0e131eaaf6912ba581b394551ead283e95c99cfe78c605d10b5736',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0-medium',
        f'{_MP}/mace_mp_0/2023-12-03-mace-128-L1_epoch-199.model',
        '01bfe22100139f424713cf921144e5509cbe353d67aa9fa1be9c6e1e0ed35845',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0-large',
        f'{_MP}/mace_mp_0/MACE_MPtrj_2022.9.model',
        'f80e992b65ab8f88fdf26964511357c022e92704e4d9bcd086652635a8495b32',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b-small',
        f'{_MP}/mace_mp_0b/mace_agnesi_small.model',
        '7e3a0abcaf41e03a80e69f778e1b11b29de1cca704783dc25917a736392f8cf0',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b-medium',
        f'{_MP}/mace_mp_0b/mace_agnesi_medium.model',
        'ab8baff639a8f295f3eccad3d3ccf574efb6fb63220bd52cd88664211569e521',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b2-small',
        f'{_MP}/mace_mp_0b2/mace-small-density-agnesi-stress.model',
        'd5773bf9440e96d6eb8c598f84bd0e6369fcfa432f626a87f890e07da3c651c9',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b2-medium',
        f'{_MP}/mace_mp_0b2/mace-medium-density-agnesi-stress.model',
        'a90be07c8aa6623c390fcc4653d3e319c4a356f8b4a53d323f96b2012d375caf',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b2-large',
        f'{_MP}/mace_mp_0b2/mace-large-density-agnesi-stress.model',
        '348390e758e1c90011c7675e864850f8e9c5b3e7c217f79a2b4bad1baaa657ad',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MP-0b3-medium',
        f'{_MP}/mace_mp_0b3/mace-mp-0b3-medium.model',
        '2f2be696351ac9e94fbe01cdfb6f017679acdbd2db7645209ef55fec9826b012',
        'PBE+U',
        _MIT,
        'MPtrj',
    ),
    FoundationModel(
        'MACE-MPA-0-medium',
        f'{_MP}/mace_mpa_0/mace-mpa-0-medium.model',
        '75428afe3a1d7d8062e19bcaabd5c433623cabf308242ec9fb493e38604fb638',
        'PBE+U',
        _MIT,
        'MPtrj, sAlex',
    ),
    FoundationModel(
        'MACE-OMAT-0-small',
        f'{_MP}/mace_omat_0/mace-omat-0-small.model',
        '0abfde07862cf1e93b8b4d03cb702f29ce9c344ff2fc4de2ec0d7166d6c113a5',
        'PBE+U',
        _ASL,
        'OMat24',
    ),
    FoundationModel(
        'MACE-OMAT-0-medium',
        f'{_MP}/mace_omat_0/mace-omat-0-medium.model',
        'd4b14be9afa294eebdbe31a0280b26a0fa29715771e978cbfd3ca24e0d90307a',
        'PBE+U',
        _ASL,
        'OMat24',
    ),
    FoundationModel(
        'MACE-MATPES-PBE-0',
        f'{_FOUNDATIONS}/mace_matpes_0/MACE-matpes-pbe-omat-ft.model',
        'e618ad582b84239905b9c3b77ce6e9ce111b0ecd1533223a1a6aac7a696b8aa0',
        'PBE',
        _ASL,
        'OMat24, then MatPES',
    ),
    FoundationModel(
        'MACE-MATPES-r2SCAN-0',
        f'{_FOUNDATIONS}/mace_matpes_0/MACE-matpes-r2scan-omat-ft.model',
        '8f147ecffa1d06a696e5648b13b81abda9c96fda9d0fb3faba3cd3fb27d9bba9',
        'r2SCAN',
        _ASL,
        'OMat24, then MatPES',
    ),
    FoundationModel(
        'MACE-MH-0',
        f'{_FOUNDATIONS}/mace_mh_1/mace-mh-0.model',
        'd62ff8f293664e6556cfa49364b28ee72a70cf1e6150f3c111a578397fed609d',
        'one for each head',
        _ASL,
        'one for each head',
    ),
    FoundationModel(
        'MACE-MH-1',
        f'{_FOUNDATIONS}/mace_mh_1/mace-mh-1.model',
        'a522eb7f59c7879963d41586528f4980baf33e086c94aa92e3eafdeccad3be47',
        'one for each head',
        _ASL,
        'one for each head',
    ),
    FoundationModel(
        'MACE-OFF23-small',
        f'{_OFF}/mace_off23/MACE-OFF23_small.model',
        '165cce4cfec5a34b9c64d4ebf95de15d71106bb584b7291c8470f0749977c46f',
        'wB97M-D3(BJ)',
        _ASL,
        'SPICE, molecules',
    ),
    FoundationModel(
        'MACE-OFF23-medium',
        f'{_OFF}/mace_off23/MACE-OFF23_medium.model',
        '4842c52ad210d6e1f84d6cf1ffa70fae25a7e0d755ed55cf223f43913f587db7',
        'wB97M-D3(BJ)',
        _ASL,
        'SPICE, molecules',
    ),
    FoundationModel(
        'MACE-OFF23-large',
        f'{_OFF}/mace_off23/MACE-OFF23_large.model',
        'a29e397dbf3e7a24ac50a9b0dfc919bd5a62efa346f5895a6237b0950c1d76f4',
        'wB97M-D3(BJ)',
        _ASL,
        'SPICE, molecules',
    ),
    FoundationModel(
        'MACE-OFF23b-medium',
        f'{_OFF}/mace_off23/MACE-OFF23b_medium.model',
        '871653738a4fbc8124dba1ff5bc595bd0abf7b849a8538c0825dc29ebadf1680',
        'wB97M-D3(BJ)',
        _ASL,
        'SPICE, molecules',
    ),
    FoundationModel(
        'MACE-OFF24-medium',
        f'{_OFF}/mace_off24/MACE-OFF24_medium.model',
        'e5ccf5837f685899811a68754e7c994393bfd1a81720393b03c643b46c70bc69',
        'wB97M-D3(BJ)',
        _ASL,
        'SPICE, molecules',
    ),
)
FOUNDATION_MODELS = {model.name: model for model in _MODELS}
_BY_SHA256 = {model.sha256: model for model in _MODELS}


def foundation_model(name: str) -> FoundationModel:
    """Look a model up by name; capitals do not matter.

    Raises
    ------
    PotentialError
        If the name is unknown; lists those that are known.
    """
    for known, model in FOUNDATION_MODELS.items():
        if known.casefold() == name.casefold():
            return model
    raise PotentialError(
        format_error(
            f'{name!r} is neither a file nor the name of a foundation model.',
            fix=f'Known names: {", ".join(FOUNDATION_MODELS)}.',
        )
    )


def model_of_file(sha256: str) -> FoundationModel | None:
    """Recognise a published file by the SHA-256 of its content."""
    return _BY_SHA256.get(sha256)
