# A range in one that is not the narrowest itself is taken for the narrowest
# file: io_bus_ranges.c
# caught by: random
s/return below->first && /return /
