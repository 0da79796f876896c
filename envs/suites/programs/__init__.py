"""Generated programs: steps told in words and written in Python, drawn by hash and compared."""
