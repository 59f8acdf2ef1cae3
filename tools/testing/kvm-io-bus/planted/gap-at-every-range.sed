# The least size below is that of the range right below
# file: io_bus_ranges.c
# caught by: random
s/narrowest = min(narrowest, range->size);/narrowest = range->size;/
