"""ZTF's packets, in ZTF's names, units and sentinels."""
