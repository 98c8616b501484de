"""One layer, in one pass: blob → verified, inflated stream → tar entries → batches → detectors → facts."""
