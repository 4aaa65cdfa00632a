"""WorkChains: from DFT frames to a verdict."""
