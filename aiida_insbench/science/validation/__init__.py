"""Whether a potential is an energy landscape: errors, equation of state, dynamics, trust."""
