# The search ends where only ranges of equal size are left, and misses the one
# that was registered first
# file: io_bus_ranges.c
# caught by: regress all_layouts
s/range->size_below <= next.size/range->size_below < next.size/
