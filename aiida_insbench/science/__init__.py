"""Pure functions and frozen dataclasses: the physics, without AiiDA and without files."""
