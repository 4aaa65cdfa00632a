"""Protocols: fast, balanced, stringent, as YAML, and the builders made from them."""
