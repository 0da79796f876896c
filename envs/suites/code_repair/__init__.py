"""CodeRepair: bugs in small generated packages, found and mended where they are."""
