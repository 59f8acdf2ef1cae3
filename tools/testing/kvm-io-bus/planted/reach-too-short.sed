# The search ends one range before those that are as wide as what they span
# file: io_bus_ranges.c
# caught by: regress all_layouts
s/end - range->start <= next.size/end - range->start < next.size/
