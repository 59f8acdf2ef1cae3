# A range in one that is not the narrowest itself is taken for the narrowest
# file: io_bus_ranges.c
# caught by: regress all_layouts
s/return below->first && /return /
