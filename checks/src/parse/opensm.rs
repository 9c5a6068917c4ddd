//! `opensm.conf` and `partitions.conf` (opensm 3.3: `doc/partition-config.txt`, `opensm/osm_subnet.c`).
