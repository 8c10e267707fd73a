"""The v3 names of the HTTP edge and their translation to the desk's own terms, both ways."""
