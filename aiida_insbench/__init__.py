"""Judge machine-learned interatomic potentials by inelastic neutron scattering under pressure."""

__version__ = '0.1.0'
