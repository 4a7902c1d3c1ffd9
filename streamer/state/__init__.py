"""What is remembered of objects between alerts: the object store and the ring of cutouts."""
