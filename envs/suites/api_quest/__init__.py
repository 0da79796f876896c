"""ApiQuest: read the documentation of a made-up HTTP API, then call it in the right order."""
