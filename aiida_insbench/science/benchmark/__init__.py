"""The benchmark as a whole: potentials × targets, failures counted, ranked and told in words."""
