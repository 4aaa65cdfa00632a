"""The report of a campaign: one self-contained HTML page, figures, tables and findings.

All functions take the plain dictionary that `collect` draws from the graph; none needs a profile.
"""
